// Keys go to the screen without a click into it first; textual.js has made it by then.
window.addEventListener("load", () => {
  document.querySelector(".xterm-helper-textarea")?.focus();
});
