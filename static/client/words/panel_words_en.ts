// English words that load after the page: panels, commands, and problems.

import type { Problem } from "../state/problem.ts";
import { endOf, formatsOf } from "./formats.ts";

/** Sentences by problem code. Codes that only faulty clients cause have none. */
export type Problems = Readonly<Record<string, string | ((problem: Problem) => string)>>;

const { number, list, plural, people, duration, wait, dateTime } = formatsOf("en");
const others = (names: readonly string[]) => people(names, (count) => `and ${count} others`);
const retry = (problem: Problem) => `Try again in ${wait(problem)}.`;
const banned = (until: number) => `A moderator has banned you until ${dateTime(until)}.`;
const roomRule = "Room names use a–z, 0–9 and hyphens.";
const missing: Readonly<Record<string, string>> = {
  lift: "This mute or ban isn't in force.",
  title: "Write a message before you give this room a title.",
};

const tooOften: Readonly<Record<string, string>> = {
  rename: "You've changed your name too often",
  title: "The title was changed too often",
};

export const words = {
  here: (count: number) => `${number(count)} here`,
  hereNow: (count: number) => `Here now: ${number(count)}`,
  you: "(you)",
  nameHint: "This is the name others will see.",
  enter: (room: string) => `Enter #${room}`,
  typing: (names: readonly string[]) =>
    names.length > 3
      ? "Several people are typing…"
      : `${list(names)} ${names.length === 1 ? "is" : "are"} typing…`,
  reconnecting: (seconds: number, problem = "") => `${problem} Reconnecting in ${seconds} s`.trim(),
  offline: "You're offline. Messages will be sent when you're back online.",
  unreachable: "Can't reach the server. Still trying…",
  tryNow: "Try now",
  connecting: "Connecting…",
  showAll: (lines: number) => `Show all (${number(lines)} lines)`,
  showLess: "Show less",
  copy: "Copy",
  copied: "Copied",
  copyFailed: "Couldn't copy",
  retention: (days: number, messages: number) => {
    const last = `last ${number(messages)} messages kept`;
    const time = plural(days, "day", "days");
    if (days > 0) return messages > 0 ? `${last}, up to ${time}` : `messages kept for ${time}`;
    return messages > 0 ? last : "history is kept";
  },
  sending: "Sending…",
  willSend: "Will send when you're back online",
  queued: "Queued: you're sending too fast",
  retry: "Try again",
  sendNow: "Send now",
  edit: "Edit",
  edited: "edited",
  deleted: "Message deleted",
  messageAt: (offset: number) => `Message ${number(offset)}`,
  reply: "Reply",
  copyLink: "Copy link",
  copyText: "Copy text",
  delete: "Delete",
  more: "More",
  actionsAbout: (name: string) => `Actions for ${name}`,
  hideMember: "Hide this person…",
  hideMessages: "Hide messages",
  showMessages: "Show messages",
  hideHint: "Hides their messages in this browser only. They aren't told.",
  hiddenPeople: "Hidden people",
  hiddenMessage: "Hidden message",
  moderateMember: "Mute, ban or hide…",
  moderation: "Moderation",
  moderatorCode: "Moderator code",
  continue: "Continue",
  howLong: "For how long",
  duration,
  mute: "Mute",
  ban: "Ban",
  banSweep: "When banning, delete their messages from the last hour",
  banNetwork: (others: number | undefined) =>
    others === undefined
      ? "Also ban their network (not possible)"
      : `Also ban their network (${plural(others, "other", "others")})`,
  sanctionKinds: { mute: "Muted", ban: "Banned" },
  sanction: (until: number, by: string, others = 0) =>
    `until ${dateTime(until)} by ${by}` +
    (others > 0 ? `, with ${plural(others, "other", "others")} on the network` : ""),
  lift: "Lift",
  titleOf: (room: string) => `Title of #${room}`,
  setTitle: "Set",
  lockTitle: "Set and lock",
  titleHint: "Only moderators can change a locked title. An empty one removes it.",
  allTitles: "All titles of this room",
  olderTitles: "Look for older titles",
  noTitles: "No title found",
  noSanctions: "Nobody is muted or banned.",
  confirmDelete: "Delete this message for everyone?",
  messageHint: "Press Enter for actions",
  actionsFor: (name: string, time: string) => `Message by ${name}, ${time}`,
  editing: "Editing",
  emptyEdit: "To remove the message, delete it.",
  escapeCancels: "Esc to cancel",
  replyingTo: (quote: string) => `Replying to ${quote}`,
  discard: "Discard",
  stale: "Not sent. Written over a day ago.",
  notSent: "Not sent.",
  sendHint: (isCode: boolean): string => isCode ? "Ctrl+Enter to send" : "Enter to send",
  charactersLeft: (count: number) =>
    count >= 0 ? `${number(count)} left` : `${number(-count)} over the limit`,
  bytesLeft: (count: number) =>
    count >= 0 ? `${number(count)} bytes left` : `${number(-count)} bytes too long`,
  loadingOlder: "Loading older messages…",
  loading: "Loading messages…",
  pruned: "Older messages are no longer kept",
  beginning: (room: string) => `This is the beginning of #${room}`,
  restored: "This room was restored from a backup; recent messages may be gone",
  missing: (count: number) =>
    `${plural(count, "message", "messages")} not loaded. ` +
    `Scroll up to load ${count === 1 ? "it" : "them"}.`,
  newerMessages: "There are newer messages",
  noMessage: "That message no longer exists.",
  crowded: "Too many people to list",
  notConnected: "offline",
  close: "Close",
  settings: "Settings",
  yourName: "Your name",
  change: "Change",
  appearance: "Appearance",
  theme: "Theme",
  themes: { system: "Match system", light: "Light", dark: "Dark" },
  density: "Density",
  densities: { comfortable: "Comfortable", compact: "Compact" },
  hours: "Time format",
  hourChoices: { system: "Match system", h12: "12 hours", h23: "24 hours" },
  notifications: "Notify me when I'm away",
  notifyAbout: (room: string) => `Messages in #${room}`,
  notifyChoices: { mention: "Mentions", always: "All", never: "None" },
  sound: "Play a sound",
  allowNotifications: "Allow notifications",
  notificationsOn: "Notifications are on",
  notificationsBlocked: "Notifications are blocked. Allow them in your browser's site settings.",
  thisDevice: "This device",
  linkDevice: "Use this name on another device",
  linkWarning:
    "Open this link on the other device. Anyone with this link can post as you. Keep it private.",
  forgetDevice: "Forget this device",
  forgetWarning: "This removes your name, rooms and unsent messages from this browser. " +
    "The name stays reserved until the server releases it.",
  confirmForget: "Forget this device",
  cancel: "Cancel",
  signOut: "Sign out",
  offerName: (name: string, before: string) =>
    `Use the name ${name} in this browser?` +
    (before && ` It replaces ${before}, which this browser then forgets.`),
  offerNameLater:
    "The link you opened is for another name, but some of your messages are unsent. " +
    "Send or discard them, then open the link again.",
  continueAs: (name: string) => `Continue as ${name}`,
  helpTitle: "Commands and shortcuts",
  emptyRoom: "No messages yet. Say something, or share this link:",
  notPrivate: "This room isn't private: anyone in this chat can read it.",
  privateRoom: "Private room",
  incompleteRoom: "Private room without its key",
  newPrivateRoom: "New private room",
  privately: "private",
  roomLink: "Room link",
  roomLinkHint: "Anyone with this link can read and write here, and it can't be taken back. " +
    "The server can't read the messages.",
  share: "Share",
  roomLabel: "Name in your list",
  emptyPrivateRoom: "No messages yet. Say something, or share the link.",
  needsHttps: "Private rooms need https.",
  unverified: "This message can't be verified",
  searchedHere: "The server can't search this room. Only loaded messages were searched.",
  takeAlong: "Private rooms to include:",
  newSince: (time: string) => time === "" ? "New" : `New since ${time}`,
  newAbove: (count: number, isMore: boolean, since: string) =>
    `${isMore ? "More than " : ""}${number(count)} new${since && ` since ${since}`} · Jump`,
  markRead: "Mark as read",
  joined: (names: readonly string[]) => `${others(names)} joined`,
  left: (names: readonly string[]) => `${others(names)} left`,
  timeout: (names: readonly string[]) =>
    `${others(names)} ${names.length === 1 ? "was" : "were"} disconnected`,
  renamed: (from: string, to: string) => `${from} is now ${to}`,
  notificationTitle: (from: string, room: string) => `${from} in #${room}`,
  roomRule,
  roomInvalid: (similar: string) => `${roomRule} Try ${similar || "my-room"}.`,
  openRoom: (room: string) => `Open #${room}`,
  allRooms: "All rooms",
  search: "Search",
  searchHint: "Find messages or rooms",
  searchHelp: 'word, wor*, "a phrase", from:name, in:room',
  searching: "Searching…",
  nothingFound: "Nothing found",
  moreResults: "Show more",
  searchOlder: "Search older messages",
  searchedSince: (time: string) => `Only messages since ${time} were searched`,
  findRoom: "Find or create a room",
  newRoom: "new room",
  noDirectory: "This chat doesn't list its rooms. Type a name to open one.",
  notStored: "This browser stores nothing for this page: your name won't survive a reload.",
  thatsMe: "That's me: use a device link",
  deviceLink: "Device link",
  useDeviceLink: "On a device with this name, open the settings and choose “Use this name on " +
    "another device”. Open the link here, or paste it:",
  onlyRoom: "Join another room before leaving this one.",
  unsentHere: "Some messages here are unsent. Wait or discard them first.",
  unknownCommand: (command: string) =>
    `There is no ${command}. Type /help to see all commands, or /${command} to send it as text.`,
  connectedElsewhere: "This page is connected elsewhere.",
  banned,
  connectionEnded: (reason: string) =>
    `The server closed the connection${reason && `: ${reason}`}. Reload the page to try again.`,
  useHere: "Use here",
  jumpToLatest: "Jump to latest",
  newVersion: "There is a new version of this page.",
  suggestions: "Suggestions",
  away: "away",
  closePanel: "Close panel",
  reload: "Reload",
  signInAgain: "Sign in again",
  noFiles: "Files can't be sent here. Share a link to them instead.",
  pasteTooLong: (max: number) => `Pasted text can have up to ${number(max)} characters.`,
  splitInto: (count: number) => `Send as ${count} messages`,
  commands: {
    "/nick": ["name", "change your name"],
    "/join": ["room", "join or create a room"],
    "/leave": ["", "leave this room"],
    "/me": ["action", "describe an action"],
    "/title": ["title", "give this room a title, or list its titles"],
    "/moderate": ["", "become a moderator"],
    "/who": ["", "show who is here"],
    "/search": ["words", "find messages"],
    "/help": ["", "show commands and shortcuts"],
  } as Readonly<Record<string, readonly [string, string]>>,
  keys: [
    ["Enter", "send"],
    ["Shift+Enter", "new line"],
    ["Ctrl+K", "search or jump to a room"],
    ["Tab", "complete a name or room"],
    ["↑", "edit your last message"],
    ["Shift+Tab ↑ ↓ Enter", "choose a message and an action"],
    ["PageUp PageDown", "scroll the conversation"],
    ["Alt+↑ Alt+↓", "switch rooms"],
  ] as readonly (readonly [string, string])[],
  formatting: [
    ["*word*", "bold"],
    ["_word_", "italic"],
    ["~~word~~", "struck through"],
    ["> words", "quote"],
    ["`word`", "code"],
    ["```words```", "code block"],
  ] as readonly (readonly [string, string])[],
  problems: {
    access_denied: "Wrong access code.",
    access_locked: (problem) => `Too many wrong access codes. ${retry(problem)}`,
    access_required: "This chat needs an access code.",
    address_full: "Too many connections from your network. Try again later.",
    connection_dropped: "The connection dropped each time.",
    draining: "The server is restarting.",
    flooding: "This page sent too much at once.",
    banned: (problem) => banned(endOf(problem)),
    moderator_denied: "Wrong moderator code.",
    moderator_locked: (problem) => `Too many wrong codes. ${retry(problem)}`,
    muted: (problem) => `A moderator has muted you until ${dateTime(endOf(problem))}.`,
    network_protected:
      "This network can't be banned: it is unknown, the server's own, a proxy's, or a moderator's.",
    not_saved: "This browser's storage is full. Keep this tab open until the message is sent.",
    origin_denied: "This page's address isn't allowed here. " +
      "Ask whoever runs the chat to add it to ALLOWED_ORIGINS.",
    link_incomplete: "This link is incomplete. Ask for the complete link, to its last character.",
    private_too_long: "Messages in private rooms can have up to 2,900 bytes.",
    query_invalid: "Type up to 10 words. After from: and in:, use valid names.",
    rate_limited: (problem) =>
      `${tooOften[problem.re ?? ""] ?? "Too many requests"}. ${retry(problem)}`,
    rename_offline: "You can change your name when you're back online.",
    search_off: "Search is turned off in this chat.",
    storage_full: "This chat's storage is full. Its operator must free up space.",
    edit_not_loaded: "The message could not be loaded. Try again.",
    edits_exhausted: "This message has been edited 20 times, the maximum.",
    forbidden: ({ re }) =>
      re === "edit" || re === "delete"
        ? "You can change only your own messages."
        : "Only moderators can do this.",
    not_found: ({ re = "" }) => missing[re] ?? "This message no longer exists.",
    title_locked: "A moderator has locked this title.",
    title_invalid: "Titles have 1 to 60 visible characters.",
    rooms_full: "Room limit reached. Join an existing room.",
    server_full: "The server is full. Try again later.",
    sign_on_expired: "Your sign-in to this site has expired. Nothing you wrote is lost.",
    slow_consumer: "This device couldn't keep up.",
    storage_unavailable: "Storage is unavailable. Retrying…",
    text_empty: "Write something first.",
    text_too_long: "Messages can have up to 4,000 characters.",
    too_many_rooms: "You're in 20 rooms, the maximum. Leave one first.",
    upgrade_dropped:
      "A proxy blocks WebSockets. Ask whoever runs it to pass on the Upgrade header.",
    username_characters: "Use letters, digits, spaces, apostrophes, dots, hyphens and underscores.",
    username_empty: "Choose a name.",
    username_ends: "Start and end with a letter or digit.",
    username_marks: "Too many accents on one letter.",
    username_mixed_scripts: "Use letters and digits from one script.",
    username_spaces: "Use single spaces.",
    username_taken: "That name is taken. Choose another.",
    username_too_long: "Names can have up to 24 characters.",
  } as Problems,
};

export type PanelWords = typeof words;
