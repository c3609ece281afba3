/**
 * For `node --import`: sharp, with a fault that no codec in use is known to have. A file that says KILLS-ITS-CODEC ends the process that opens it, as the kernel does where
 * memory ends.
 */
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== 'sharp') return next(specifier, context);
    const { url } = next(specifier, context);
    const source = `
      import sharp from ${JSON.stringify(url)};
      export default Object.assign((input, ...rest) => {
        if (input instanceof Uint8Array && Buffer.from(input.buffer, input.byteOffset, input.length).includes('KILLS-ITS-CODEC')) process.kill(process.pid, 'SIGKILL');
        return sharp(input, ...rest);
      }, sharp);`;
    return { url: `data:text/javascript,${encodeURIComponent(source)}`, shortCircuit: true };
  },
});
