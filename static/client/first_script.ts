// The modules of the first script. The scripts that load later import this file, only so that the
// bundler keeps these modules and the code that both need in that one script. It compresses better
// than two.

import "./state/chat_client.ts";
import "./state/snapshots.ts";
import "./state/tab_outbox.ts";
import "./views/appearance.ts";
import "./views/composer.ts";
import "./views/conversation.ts";
import "./views/sidebars.ts";
