// Valid settings that cannot be used on this machine.

/** A setting that cannot be used here. The server exits with status 2, as for an invalid one. */
export class SettingError extends Error {}
