/** Points drawn by WebGL: one draw call of `gl.POINTS`, with a color for each. */

const VERTEX = `
attribute vec2 place;
attribute vec4 color;
uniform vec2 scale;
uniform vec2 center;
uniform float size;
varying vec4 paint;
void main() {
  gl_Position = vec4((place - center) * scale, 0.0, 1.0);
  gl_PointSize = size * (color.a > 0.9 ? 1.0 : 0.75);
  paint = color;
}`;
const FRAGMENT = `
precision mediump float;
varying vec4 paint;
void main() {
  float outside = smoothstep(0.38, 0.5, distance(gl_PointCoord, vec2(0.5)));
  float alpha = paint.a * (1.0 - outside);
  if (alpha < 0.01) discard;
  gl_FragColor = vec4(paint.rgb * alpha, alpha);
}`;

/** What is seen of the plane: the point in the middle, and how many pixels of the page a unit has. */
export interface Camera {
  x: number;
  y: number;
  zoom: number;
}

export class Scatter {
  private readonly gl: WebGLRenderingContext;
  private program: WebGLProgram | null = null;
  private readonly uniforms: Record<string, WebGLUniformLocation | null> = {};
  private count = 0;
  private places: Float32Array = new Float32Array();
  private colors: Uint8Array = new Uint8Array();

  private constructor(
    private readonly canvas: HTMLCanvasElement,
    gl: WebGLRenderingContext,
  ) {
    this.gl = gl;
    this.begin();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.begin();
      this.setPoints(this.places, this.colors);
    });
  }

  /** Null where there is no WebGL. */
  static on(canvas: HTMLCanvasElement): Scatter | null {
    const gl = canvas.getContext("webgl", { antialias: false, premultipliedAlpha: true });
    return gl && new Scatter(canvas, gl);
  }

  /** Points (x, y, x, y, …) and their colors (red, green, blue, alpha, …). */
  setPoints(places: Float32Array, colors: Uint8Array): void {
    this.places = places;
    this.count = places.length / 2;
    this.fill("place", 2, this.gl.FLOAT, places);
    this.setColors(colors);
  }

  setColors(colors: Uint8Array): void {
    this.colors = colors;
    this.fill("color", 4, this.gl.UNSIGNED_BYTE, colors);
  }

  draw(camera: Camera, size: number): void {
    const { gl, canvas, program } = this;
    if (!program || gl.isContextLost()) return;
    const density = devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * density), Math.round(canvas.clientHeight * density)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    gl.viewport(0, 0, width, height);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(this.uniforms.center ?? null, camera.x, camera.y);
    gl.uniform2f(this.uniforms.scale ?? null, (2 * camera.zoom) / canvas.clientWidth, (2 * camera.zoom) / canvas.clientHeight);
    gl.uniform1f(this.uniforms.size ?? null, size * density);
    gl.drawArrays(gl.POINTS, 0, this.count);
  }

  private begin(): void {
    const { gl } = this;
    const program = gl.createProgram();
    if (!program) return;
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ] as const) {
      const shader = gl.createShader(kind);
      if (!shader) return;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.clearColor(0, 0, 0, 0);
    this.program = program;
    for (const name of ["center", "scale", "size"]) this.uniforms[name] = gl.getUniformLocation(program, name);
  }

  private readonly buffers = new Map<string, WebGLBuffer | null>();

  private fill(name: string, size: number, type: number, values: Float32Array | Uint8Array): void {
    const { gl, program } = this;
    if (!program) return;
    gl.deleteBuffer(this.buffers.get(name) ?? null);
    const buffer = gl.createBuffer();
    this.buffers.set(name, buffer);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    const at = gl.getAttribLocation(program, name);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, type, type === gl.UNSIGNED_BYTE, 0, 0);
  }
}
