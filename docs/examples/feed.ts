// Posts new items of an RSS or Atom feed to a room, once each:
//
//   TOKEN=… deno run --allow-net --allow-env docs/examples/feed.ts FEED URL ROOM
//
// Run it every few minutes from cron. It keeps no state: the server stores an item's key for seven
// days, and items older than six days are left out.
import { post } from "./post.ts";
const [feed = "", server = "http://localhost:8000/", room = "news"] = Deno.args;
if (feed === "") throw new Error("Give the addresses of a feed and of the chat, and a room");
const found = await fetch(feed);
if (!found.ok) throw new Error(`Cannot read ${feed}: it returns ${found.status}`);
const xml = await found.text();
const items = [...xml.matchAll(/<(item|entry)[\s>].*?<\/\1>/gs)].map(([item]) => item).reverse();
for (const item of items) {
  const [title, link] = [textOf(item, "title"), textOf(item, "link") || hrefOf(item)];
  const date = textOf(item, "pubDate") || textOf(item, "updated");
  if (Date.now() - Date.parse(date) > 6 * 86_400_000) continue;
  const id = new TextEncoder().encode(textOf(item, "guid") || textOf(item, "id") || link);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", id));
  const key = digest.toHex().slice(0, 36);
  const response = await post(new URL(`r/${room}`, server), "Feed", `${title}\n${link}`, key);
  if (!response.ok) throw new Error(`Cannot post ${link}: ${await response.text()}`);
  await response.body?.cancel();
}

function textOf(item: string, element: string): string {
  const [, text = ""] = new RegExp(`<${element}(?:\\s[^>]*)?>(.*?)</${element}>`, "s").exec(item) ??
    [];
  return text.replace(/<!\[CDATA\[(.*?)\]\]>/gs, "$1").trim()
    .replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

function hrefOf(item: string): string {
  return /<link[^>]*href="([^"]*)"/.exec(item)?.[1] ?? "";
}
