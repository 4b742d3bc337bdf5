// Gives each name a hue, distinct from those of recent names.

const huesCount = 12;
/** Coprime with the number of hues, so that all are tried. */
const step = 5;

export class NameHues {
  readonly #hues = new Map<string, number>();

  /** Returns a name's hue in degrees: from its hash (FNV-1a), unless a recent name has that hue. */
  hueOf(name: string): number {
    let hue = this.#hues.get(name);
    if (hue === undefined) {
      let hash = 2166136261;
      for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
      hue = (hash >>> 0) % huesCount;
      const taken = [...this.#hues.values()].slice(1 - huesCount);
      while (taken.includes(hue)) hue = (hue + step) % huesCount;
      this.#hues.set(name, hue);
    }
    return hue * 360 / huesCount;
  }
}
