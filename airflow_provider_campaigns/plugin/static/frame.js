// Shows the HTML that the page around this frame sends, in a sandbox: without scripts, forms and navigation. What it
// may load is in the content security policy of this document, which also holds inside the sandbox.

// The policy does not cover all of these: a link element may open a connection before it loads anything.
const REMOVED = ["script", "link", "base", "meta", "iframe", "frame", "object", "embed", "portal", "fencedframe", "template", "animate", "set"];
// The same as text, in case the browser reads the HTML in another way the second time.
const REMOVED_TAGS = new RegExp(`<(?=/?(${REMOVED.join("|")})\\b)`, "gi");
// These could be focused, or send a form.
const FORM = "form, button, input, select, textarea";

const WITH_IMAGES = location.pathname.endsWith("/frame-images/");
const ACTING = ["action", "autofocus", "formaction", "ping"];
const LOADING = ["attributionsrc", "background", "data", "dynsrc", "href", "lowsrc", "poster", "src", "srcset", "xlink:href"];

// The policy and the sandbox block what is removed here, too. But the browser reports what it blocks as an error.
function quiet(element) {
  const isLink = element.localName === "a" || element.localName === "area";
  if (isLink && element.hasAttribute("href")) {
    element.title ||= element.getAttribute("href");
    element.dataset.link = "";
  }
  for (const { name, value } of [...element.attributes]) {
    const loads = LOADING.includes(name) && (isLink || !(WITH_IMAGES || /^(data:|#)/.test(value)));
    if (loads || ACTING.includes(name) || /^on/i.test(name)) element.removeAttribute(name);
    else if (name === "style") element.setAttribute(name, quietUrls(element.style?.cssText ?? ""));
    else if (/url\(/i.test(value)) element.setAttribute(name, quietUrls(value));
  }
  if (element.localName === "style") element.textContent = quietSheet(element.textContent);
}

// As the browser reads it, so that escapes hide nothing; a sheet that is made this way has no @import.
function quietSheet(css) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  return quietUrls([...sheet.cssRules].map((rule) => rule.cssText).join("\n").replaceAll(/@font-face\s*{[^}]*}/gi, ""));
}

function quietUrls(css) {
  if (WITH_IMAGES) return css;
  return css.replaceAll(/url\(\s*(?!['"]?(data:|#))("(\\.|[^"\\])*"|'(\\.|[^'\\])*'|[^)])*\)/gi, "url(data:,)");
}

function harmless(html) {
  // Before it is parsed: the browser reports a handler as an error when it reads it.
  const source = html.replaceAll(/<[^>]+>/g, (tag) => tag.replaceAll(/([\s"'/])on\w+\s*=/gi, "$1data-on="));
  const page = new DOMParser().parseFromString(source, "text/html");
  for (const element of page.querySelectorAll(REMOVED)) element.remove();
  for (const element of page.querySelectorAll(FORM)) element.inert = true;
  page.querySelectorAll("*").forEach(quiet);
  // A link without its address still looks like one, unless the campaign says otherwise.
  const style = page.createElement("style");
  style.textContent = ":where([data-link]) { color: -webkit-link; cursor: help; text-decoration: underline; }";
  page.head.prepend(style);
  return `<!doctype html>${page.documentElement.outerHTML.replaceAll(REMOVED_TAGS, "&lt;")}`;
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
