// Modules that the page needs at once. The scripts that load later import this file, only so that
// the bundler puts these modules into the chunk that they share with main.js, and not into main.js:
// one large script compresses better than two.

import "./state/chat_client.ts";
import "./state/snapshots.ts";
import "./state/tab_outbox.ts";
import "./views/appearance.ts";
import "./views/composer.ts";
import "./views/conversation.ts";
import "./views/sidebars.ts";
