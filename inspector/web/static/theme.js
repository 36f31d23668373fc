// Before anything is drawn: the theme that was chosen here last, or that of the system.
"use strict";
try {
  const chosen = localStorage.getItem("maieutic-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch { /* storage may be switched off */ }
