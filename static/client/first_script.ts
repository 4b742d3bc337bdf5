// Imported by the scripts that load later, only so that the bundler keeps all of this, and what it
// shares with them, in one script, which loads first. One script compresses better than two.

import "./state/chat_client.ts";
import "./state/snapshots.ts";
import "./state/tab_outbox.ts";
import "./views/appearance.ts";
import "./views/composer.ts";
import "./views/conversation.ts";
import "./views/sidebars.ts";
