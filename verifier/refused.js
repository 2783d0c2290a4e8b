// The three ways in which a check does not end well; a bug is none of them.

/** A record cannot be believed. */
export class Refused extends Error {}

/** A block that the record links to is not in the file. */
export class MissingBlock extends Refused {}

/** Neither yes nor no: this verifier or this machine cannot carry on. */
export class Undecided extends Error {}
