import { render } from "preact";
import { App } from "./app";
import { keepFocus } from "./focus";
import "../../src/semelha/html/tokens.css";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/parts.css";

keepFocus();
render(<App />, document.getElementById("page") as HTMLElement);
