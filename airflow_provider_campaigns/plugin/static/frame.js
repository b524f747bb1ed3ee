// Shows the HTML that the page around this frame sends, in a sandbox: without scripts, forms and navigation. What it
// may load is in the content security policy of this document, which also holds inside the sandbox.

// The policy does not cover all of these: a link element may open a connection before it loads anything.
const REMOVED = "script, link, base, meta, iframe, frame, object, embed, portal, fencedframe, template";

function harmless(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  for (const element of page.querySelectorAll(REMOVED)) element.remove();
  for (const anchor of page.querySelectorAll("a, area")) {
    const address = anchor.getAttribute("href");
    for (const name of ["href", "xlink:href", "ping"]) anchor.removeAttribute(name);
    if (address && !anchor.title) anchor.title = address;
  }
  return `<!doctype html>${page.documentElement.outerHTML}`;
}

addEventListener("message", ({ origin, source, data }) => {
  if (origin !== location.origin || source !== parent) return;
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "");
  frame.title = "HTML of the campaign";
  frame.srcdoc = harmless(String(data));
  document.body.replaceChildren(frame);
});

// Tells the page around this frame to send the HTML.
parent.postMessage("ready", location.origin);
