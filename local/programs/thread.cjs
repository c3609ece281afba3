/** A compute thread of a worker that runs as a program. */
'use strict';
void require('./start.cjs').startProgram('thread');
