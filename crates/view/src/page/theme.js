// Light or dark, before anything is drawn: the choice that the reader made last, else the system's.
// Storage may be forbidden; then the choice holds until the page is left.
"use strict";

const theme = {
  read() {
    try {
      return localStorage.getItem("theme") ?? "system";
    } catch {
      return "system";
    }
  },
  choose(name) {
    document.documentElement.dataset.theme = name;
    try {
      localStorage.setItem("theme", name);
    } catch {
      // See above.
    }
  },
};

document.documentElement.dataset.theme = theme.read();
window.theme = theme;
