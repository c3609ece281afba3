export async function example(_o: {size:number}): Promise<number> { return 1; }
