// What can go wrong, in German: loaded behind the page, since it seldom comes first.

/** What the server and the shared rules say in English, by how it begins; # is the first figure in it. */
const problems: Readonly<Record<string, string>> = {
  "Choose a name": "Wähle einen Namen",
  "Names can": "Ein Name hat höchstens # Zeichen",
  "Use letters": "Ein Name hat Buchstaben, Ziffern, Leerzeichen und _ - .",
  "Start and end": "Ein Name beginnt und endet mit einem Buchstaben oder einer Ziffer",
  "Use single": "Zwischen den Teilen eines Namens steht nur ein Leerzeichen",
  "Too many accents": "Auf einem Buchstaben eines Namens stehen höchstens drei Zeichen",
  "Don't mix": "Ein Name mischt Latein nicht mit Kyrillisch oder Griechisch",
  "Write something": "Schreib erst etwas",
  "Messages can": "Eine Nachricht hat höchstens # Zeichen",
  "Messages of this room": "Nachrichten dieses Raums sind noch nicht gesendet",
  "You're in": "Verlass erst einen Raum: # ist das Höchste",
  "Room limit": "Der Server nimmt keinen weiteren Raum auf: nimm einen, den es gibt",
  "Too many wrong": "Zu viele falsche Zugangscodes: versuch es in # s noch einmal",
  "Sending too": "Zu viele Nachrichten auf einmal: weiter in # s",
  "You've changed": "Zu viele Namen: versuch es in # s noch einmal",
  "Too much was sent": "Zu viel wurde auf einmal gesendet",
  "Too many requests": "Zu viel auf einmal: versuch es in # s noch einmal",
  "Too many connections": "Zu viele Verbindungen von deiner Adresse: versuch es später noch einmal",
  "This chat needs": "Dieser Chat fragt nach einem Zugangscode",
  "Wrong access": "Das ist nicht der Zugangscode",
  "Storage is": "Der Speicher ist nicht zu erreichen: es wird noch einmal versucht",
  "Your name can": "Dein Name lässt sich ändern, wenn die Verbindung wieder da ist",
  "The page comes":
    "Die Seite kommt von einer anderen Adresse als der Chat: wer ihn betreibt, kann sie mit ALLOWED_ORIGINS zulassen",
  "A proxy":
    "Ein Proxy lässt keine WebSockets durch: wer ihn betreibt, muss den Kopf Upgrade weitergeben",
  "The server is restarting": "Der Server startet neu",
  "This device": "Dieses Gerät kam nicht nach",
  "The connection ended": "Die Verbindung endete jedes Mal, wenn sie gesendet wurde",
  "The server is full": "Der Server ist voll: versuch es später noch einmal",
  "The server is about": "Der Server startet gleich neu: versuch es später noch einmal",
};

/** A sentence of the server or of the shared rules in German, or as it is when it is not known. */
export function translate(sentence: string): string {
  const [, name] = /^(.*) is taken\. /.exec(sentence) ?? [];
  if (name !== undefined) return `${name} ist vergeben: wähle einen anderen Namen`;
  const lower = sentence.toLowerCase();
  const begin = Object.keys(problems).find((begin) => lower.startsWith(begin.toLowerCase()));
  if (begin === undefined) return sentence;
  return (problems[begin] ?? "").replace(
    "#",
    /\d[\d,]*/.exec(sentence)?.[0].replace(",", ".") ?? "",
  );
}
