// Errors in settings that only this machine reveals.

/** A setting that cannot be used here. The server exits with status 2, as for an invalid one. */
export class SettingError extends Error {}
