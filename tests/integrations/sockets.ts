import type { Server } from 'node:http';
import { httpSettings, type openUpgrade } from '@sessionkit/http-node';
import type { Service } from '@sessionkit/session-core';
import { WebSocketServer } from 'ws';
import type { App } from './integration.js';

/** Serves the sockets of an application at the `upgrade` event of a server, by what a package has for it. */
export function serveSockets(server: Server, service: Service, app: App, open: typeof openUpgrade): void {
  const { socket: serve, trustProxy } = app;
  if (serve === undefined) return;
  const settings = httpSettings({ trustProxy });
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', async (request, socket, head) => {
    const opened = await open(service, request, socket, settings);
    if (opened === undefined) return;
    sockets.handleUpgrade(request, socket, head, (ws) => serve(opened.session, ws));
  });
}
