/** What comes before the names of the user's sources in a bundle's source map: no path of any machine, and easy to find in a stack. */
export const sourcePrefix = 'tilefan-source:';

/** What a function without a name of its own is called in messages. */
export const defaultExport = 'the default export';
