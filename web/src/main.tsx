import { render } from "preact";
import { App } from "./app";
import "../../src/semelha/html/tokens.css";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/parts.css";

render(<App />, document.getElementById("page") as HTMLElement);
