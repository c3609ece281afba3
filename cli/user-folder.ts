/** Where the user is: npm changes the folder to the package's, and says in INIT_CWD where it was called. */
export function userFolder(): string {
  const { npm_lifecycle_event: event, INIT_CWD: folder } = process.env;
  return event !== undefined && folder !== undefined ? folder : process.cwd();
}
