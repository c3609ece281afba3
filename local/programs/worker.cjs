/** The worker of a command that runs as a program. */
'use strict';
void require('./start.cjs').startProgram('worker');
