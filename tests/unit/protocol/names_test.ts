// The scripts of names, and their look-alikes.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { usernameKey, validateUsername } from "../../../app/protocol/names.ts";

Deno.test("validateUsername() accepts names of one script, and the mixtures of East Asia [N3]", () => {
  const names = [
    "Ada",
    "O'Brien",
    "O’Brien",
    "Bob (work)",
    "Mr. T.",
    "Žižek",
    "Nguyễn Thị 2",
    "Þór",
    "Oʻahu",
    "Ωμέγα",
    "Євген",
    "Мар'яна 2",
    "علی۱",
    "Հայկ",
    "ნინო",
    "דוד",
    "محمد",
    "محمد٢",
    "علی\u200cرضا",
    "علی ۲",
    "Ali 2",
    "नमस्ते २",
    "รัตนา ๒",
    "李小龍",
    "田中さくら",
    "サクラー",
    "Tanaka 太郎",
    "김철수",
    "金철수",
    "陳ㄔㄣ",
    "𝒳𝒴",
    "ⵢⵓⵙⴼ",
    "ᏣᎳᎩ",
  ];
  for (const name of names) {
    assertEquals(validateUsername(name), { ok: true, value: name.normalize("NFC") });
  }
});

Deno.test("validateUsername() refuses mixed scripts, foreign digits and dead scripts [N3]", () => {
  const names = [
    "pаypal", // Cyrillic а
    "ΑBC", // Greek Α
    "Ꭺlice", // Cherokee
    "ꓮlice", // Lisu
    "Ali١", // Arabic digit
    "Ali۱", // Persian digit
    "Али۱",
    "Ali१",
    "Bob০",
    "محمد٢۲", // digits of two sets
    "محمد٢2",
    "Αлиса", // Greek and Cyrillic
    "さくら김",
    "Аda太郎",
    "ㄔ김",
    "A\u0651da", // an Arabic mark
    "Алисаー", // the mark of Katakana
    "Жукℓ", // a sign that stands for a Latin letter
    "𐌰𐌳𐌰", // Gothic
  ];
  for (const name of names) {
    const parsed = validateUsername(name);
    assert(!parsed.ok && parsed.code === "username_mixed_scripts", name);
    assertEquals(parsed.message, "Use letters and digits of one script");
  }
  const parsed = validateUsername("a!");
  assert(!parsed.ok && parsed.code === "username_characters");
});

Deno.test("usernameKey() is equal for names that look alike [N4]", () => {
  const same: readonly (readonly [string, string])[] = [
    ["Ada", "ADA"],
    ["Straße", "STRASSE"],
    ["GROẞ", "Groß"],
    ["ﬁ", "FI"],
    ["Å", "A\u030a"],
    ["Σίσυφος", "ΣΊΣΥΦΟΣ"],
    ["Алиса", "АЛИСА"],
    ["Вера", "вера"],
    ["Αννα", "ΑΝΝΑ"],
    ["ᏣᎳᎩ", "ꮳꮃꭹ"],
    ["Alice", "Ali\u0307ce"],
    ["Al\u1ecbce", "Ali\u0323\u0307ce"],
    ["Jon", "j\u0307on"],
    ["Zoë", "Zoe\u0308\u0308"],
    ["Alice", "AIice"],
    ["Alice", "A1ice"],
    ["Alice", "ALICE"],
    ["Alice", "ɑlice"],
    ["Alice", "ᴀʟɪᴄᴇ"],
    ["Alice", "Ａｌｉｃｅ"],
    ["Alice", "𝒜𝓁𝒾𝒸𝑒"],
    ["Ilya", "İlya"],
    ["Ilya", "ılya"],
    ["coe", "сое"],
    ["Max", "Мах"],
    ["BOB", "ВОВ"],
    ["HECTOP", "НЕСТОР"],
    ["NIKO", "ΝΙΚΟ"],
    ["ANNA", "ΑΝΝΑ"],
    ["KATE", "ΚΑΤΕ"],
    ["EBE", "ꓰꓐꓰ"],
    ["ADA", "ꭺꭰꭺ"],
    ["Bob0", "BobO"],
    ["Bill", "Bi11"],
    // m is rn in UTS 39: some real names collide, and "Bemard" can't pose as Bernard.
    ["Bernard", "Bemard"],
    // I is the capital of i and looks like l, so these collide too.
    ["Ian", "Lan"],
    ["O'Brien", "O’Brien"],
    ["O'ahu", "Oʻahu"],
    ["Mr. T", "Mr. T."],
    ["علی\u200cرضا", "علیرضا"],
    ["محمد٢", "محمد۲"],
  ];
  for (const [one, other] of same) assertEquals(usernameKey(one), usernameKey(other));
});

Deno.test("usernameKey() differs for names that people can tell apart [N4]", () => {
  const different: readonly (readonly [string, string])[] = [
    ["Ada", "Adb"],
    ["Ada", "Ida"],
    ["Ada", "Ada 2"],
    ["Ada", "Ava"],
    ["Andre", "André"],
    ["Jon", "Jön"],
    ["Zoe", "Zoë"],
    ["Soren", "Søren"],
    ["Lukasz", "Łukasz"],
    ["Marek", "Mařek"],
    ["Anna", "Avva"],
    ["Αννα", "Avva"],
    ["Bob", "Bob (work)"],
    ["OBrien", "O'Brien"],
    ["Max", "Макс"],
    ["Саша", "Маша"],
    ["Миша", "Гриша"],
    ["李明", "李朋"],
    ["김철수", "김철호"],
    ["محمد", "احمد"],
    ["राम", "श्याम"],
    ["Will", "Wall"],
    ["User 2", "User 3"],
    ["Gina", "Qina"],
    ["Eva", "Ewa"],
  ];
  for (const [one, other] of different) assertNotEquals(usernameKey(one), usernameKey(other), one);
});

Deno.test("usernameKey() tells all basic letters and digits apart, except i, l, 1 and o, 0 [N4]", () => {
  const alphabets = [
    "abcdefghjkmnopqrstuvwxyzi23456789",
    "αβγδεζηθικλμνξοπρστυφχψω",
    "абвгдежзиклмнопрстуфхцчшщъыьэюя",
    "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ",
    "אבגדהזחטיכלמנסעפצקרשת",
    "ابتثجحخدذرزسشصضطظعغفقكلمني",
  ];
  for (const letters of alphabets) {
    assertEquals(new Set(Array.from(letters, usernameKey)).size, [...letters].length, letters);
  }
});

Deno.test("usernameKey() is the same for a name in any case and normal form [N4]", () => {
  for (let point = 0; point <= 0x1ffff; point++) {
    const character = String.fromCodePoint(point);
    if (!/[\p{L}\p{M}\p{Nd}]/u.test(character)) continue;
    const name = `A${character}`;
    const forms = [
      name.toLowerCase(),
      name.toUpperCase(),
      name.normalize("NFD"),
      name.normalize("NFKC"),
    ].filter((form) => form !== name);
    if (forms.length === 0) continue;
    const key = usernameKey(name);
    for (const form of forms) {
      if (usernameKey(form) !== key) assertEquals(usernameKey(form), key, name);
    }
  }
});
