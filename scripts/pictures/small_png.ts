// Shrinks a screenshot to a PNG with at most 256 colors, about as many as a page of text has.

import { crc32, deflateSync } from "node:zlib";
import type { Page } from "../../tests/system/browser/browser_harness.ts";

const signature = [137, 80, 78, 71, 13, 10, 26, 10];
const indexedColor = 3;
const colorsMax = 256;

/** Returns the picture with at most 256 colors. `page` is any page, which decodes the PNG. */
export async function smallPng(page: Page, png: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const { width, height, rgba } = await page.evaluate(async (source) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    const { naturalWidth: width, naturalHeight: height } = image;
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context?.drawImage(image, 0, 0);
    const { data } = context?.getImageData(0, 0, width, height) ?? {};
    return { width, height, rgba: new Uint8Array(data?.buffer ?? []).toBase64() };
  }, `data:image/png;base64,${png.toBase64()}`);
  const { palette, indices } = quantize(Uint8Array.fromBase64(rgba));
  const rows = new Uint8Array(height * (width + 1));
  for (let y = 0; y < height; y++) {
    rows.set(indices.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  }
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  header.setUint8(9, indexedColor);
  return join([
    Uint8Array.from(signature),
    chunk("IHDR", new Uint8Array(header.buffer)),
    chunk("PLTE", palette),
    chunk("IDAT", deflateSync(rows, { level: 9, memLevel: 9 })),
    chunk("IEND", new Uint8Array()),
  ]);
}

/** Reduces an image to its most frequent colors; other pixels get the nearest one. */
function quantize(rgba: Uint8Array): { palette: Uint8Array; indices: Uint8Array } {
  const pixels = new Uint32Array(rgba.buffer, rgba.byteOffset, rgba.length / 4);
  const counts = new Map<number, number>();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const byCount = [...counts].toSorted(([, one], [, other]) => other - one);
  const palette = byCount.slice(0, colorsMax).map(([pixel]) => pixel);
  const indexOf = new Map(palette.map((pixel, index) => [pixel, index]));
  const indices = Uint8Array.from(pixels, (pixel) => {
    const index = indexOf.get(pixel) ?? nearest(palette, pixel);
    indexOf.set(pixel, index);
    return index;
  });
  return { palette: Uint8Array.from(palette.flatMap(channelsOf)), indices };
}

/** Returns the index of the color nearest to a pixel. */
function nearest(colors: readonly number[], pixel: number): number {
  const distances = colors.map((color) => {
    const channels = channelsOf(color);
    return channelsOf(pixel).reduce((sum, value, i) => sum + (value - (channels[i] ?? 0)) ** 2, 0);
  });
  return distances.indexOf(Math.min(...distances));
}

/** Returns red, green and blue of an RGBA pixel in little-endian order. */
function channelsOf(pixel: number): number[] {
  return [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255];
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const name = new TextEncoder().encode(type);
  const numbers = new DataView(new ArrayBuffer(8));
  numbers.setUint32(0, data.length);
  numbers.setUint32(4, crc32(data, crc32(name)));
  const bytes = new Uint8Array(numbers.buffer);
  return join([bytes.subarray(0, 4), name, data, bytes.subarray(4)]);
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
