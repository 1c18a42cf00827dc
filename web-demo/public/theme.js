// Runs before the first paint, so that a chosen theme does not flash. It is a file and not an inline script because the
// content security policy allows none. The key is the one in src/app/preferences.ts.
(function () {
  try {
    var theme = localStorage.getItem('durable-sessions.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; then the system's colour scheme decides.
  }
})();
