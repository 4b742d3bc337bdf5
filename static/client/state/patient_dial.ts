// After a failure, dials only once the server answers a request. When sockets have failed to open,
// in any tab, Firefox silently delays the next one by up to a minute. It doesn't delay requests.

import type { ClientSocket, ConnectionPorts } from "./connection.ts";

/** Returns a `dial` that, after a failure, first asks whether the server is up. */
export function patientDial(
  dial: ConnectionPorts["dial"],
  ask: () => Promise<boolean>,
): ConnectionPorts["dial"] {
  let hasFailed = false;
  return (subprotocol, events) => {
    let socket: ClientSocket | undefined;
    let isClosed = false;
    const open = () => {
      hasFailed = true;
      const onOpen = () => {
        hasFailed = false;
        events.onOpen();
      };
      socket = dial(subprotocol, { ...events, onOpen });
    };
    const openIf = (isUp: boolean) => {
      if (isUp && !isClosed) open();
      else events.onClose(1006, "");
    };
    if (hasFailed) ask().then(openIf, () => openIf(false));
    else open();
    return {
      send: (frame) => socket?.send(frame),
      close(code, reason) {
        isClosed = true;
        socket?.close(code, reason);
      },
    };
  };
}
