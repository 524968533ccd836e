// A Socket.IO server with connection state recovery: a client's text goes to all sockets of its user.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  connectionStateRecovery: { maxDisconnectionDuration: 120_000 },
});
io.on("connection", (socket) => {
  const user = socket.handshake.query.user;
  socket.join(user);
  socket.on("publish", (text) => io.to(user).emit("message", text));
});
http.listen(0, "127.0.0.1", () => console.log(`peer serves on ${http.address().port}`));
