// Shows the HTML that the page around this frame sends, in a sandbox: without scripts, forms and navigation. What it
// may load is in the content security policy of this document, which also holds inside the sandbox.

// The policy does not cover all of these: a link element may open a connection before it loads anything.
const REMOVED = "script, link, base, meta, iframe, frame, object, embed, portal, fencedframe, template";

const WITH_IMAGES = location.pathname.endsWith("/frame-images/");
const LOADING = ["src", "srcset", "background", "poster", "data", "lowsrc", "dynsrc"];

// The policy blocks what is removed here, too. Without it, the browser reports each blocked image as an error.
function quiet(element) {
  for (const { name, value } of [...element.attributes]) {
    if (/^on/i.test(name)) element.removeAttribute(name);
    else if (!WITH_IMAGES && LOADING.includes(name) && !value.startsWith("data:")) element.removeAttribute(name);
    else if (name === "style") element.setAttribute(name, quietStyle(value));
  }
  if (element.localName === "style") element.textContent = quietStyle(element.textContent);
}

function quietStyle(css) {
  const imported = css.replaceAll(/@import[^;]*;?/gi, "");
  return WITH_IMAGES ? imported : imported.replaceAll(/url\(\s*(?!['"]?data:)[^)]*\)/gi, "url(data:,)");
}

function harmless(html) {
  // Before it is parsed: the browser reports a handler as an error when it reads it.
  const source = html.replaceAll(/<[^>]+>/g, (tag) => tag.replaceAll(/([\s"'/])on\w+\s*=/gi, "$1data-on="));
  const page = new DOMParser().parseFromString(source, "text/html");
  for (const element of page.querySelectorAll(REMOVED)) element.remove();
  page.querySelectorAll("*").forEach(quiet);
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
