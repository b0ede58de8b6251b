#!/bin/sh
# Starts the image as compose.yaml does, with a read-only root, without capabilities and as the user 10001, and calls it.
#
#   deploy/try-container.sh [IMAGE]
#
# ENGINE is podman or docker; OPTIONS are passed to its run, such as --network=host. It removes what it made.
set -eu
image=${1:-semelha}
engine=${ENGINE:-podman}
name=semelha-try-$$

started() {
    # shellcheck disable=SC2086
    $engine run --read-only --tmpfs /tmp:size=256m,mode=1777 --cap-drop=ALL --security-opt=no-new-privileges \
        --user 10001:10001 -v "$name-galleries:/galleries" -v "$name-state:/state" -v "$name-backups:/backups" \
        ${OPTIONS:-} "$@"
}

finish() {
    $engine rm -f "$name" >/dev/null 2>&1 || true
    $engine volume rm -f "$name-galleries" "$name-state" "$name-backups" "$name-keys" >/dev/null 2>&1 || true
}
trap finish EXIT

echo "a gallery of eight subjects, made in the container"
started --rm -i --entrypoint python "$image" - <<'PYTHON'
from pathlib import Path
import numpy as np
from PIL import Image
random = np.random.default_rng(0)
for subject in range(8):
    pixels = random.integers(0, 255, (64, 64, 3))
    for turn in range(3):
        place = Path(f"/state/photos/s{subject}/{turn}.png")
        place.parent.mkdir(parents=True, exist_ok=True)
        noisy = (pixels + random.integers(-20, 20, pixels.shape)).clip(0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(place)
PYTHON
started --rm "$image" train /state/photos --out /state/model --method gmml --features first-order >/dev/null
started --rm "$image" enroll /galleries/shop --model /state/model --from /state/photos
key=$(started --rm -v "$name-keys:/keys" "$image" keys create admin --role admin | head -n 1)

echo "the server"
started -d --name "$name" -v "$name-keys:/keys:ro" "$image" >/dev/null
$engine exec -i "$name" python - "$key" <<'PYTHON'
import base64, json, os, sys, time, urllib.error, urllib.request

def call(path, content=None, method=None):
    data = None if content is None else json.dumps(content).encode()
    headers = {"Content-Type": "application/json", "x-api-key": sys.argv[1]}
    request = urllib.request.Request(f"http://127.0.0.1:8000{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()

for _ in range(100):
    try:
        call("/readyz")
        break
    except urllib.error.URLError:
        time.sleep(0.2)
status = dict(line.split(":", 1) for line in open("/proc/1/status"))
assert status["Uid"].split() == ["10001"] * 4, status["Uid"]
assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, status["CapBnd"]
assert status["NoNewPrivs"].strip() == "1"
print("  the user 10001, without capabilities")
for place in ("/", "/usr", "/etc", "/keys", "/home"):
    try:
        open(os.path.join(place, "x"), "w")
    except OSError:
        continue
    raise SystemExit(f"{place} can be written")
print("  the root and the keys can only be read")
picture = {"data": base64.b64encode(open("/state/photos/s3/0.png", "rb").read()).decode()}
found = json.loads(call("/api/v1/identify", {"pictures": [picture]}))["answers"][0]
assert found["candidates"][0]["subject"] == "s3", found
assert call("/api/v1/explain", {"pictures": [picture]})[:4] == b"\x89PNG"
done = json.loads(call("/api/v1/subjects", {"name": "a/b", "pictures": [picture]}))
assert done["added"] == 1, done
job = json.loads(call("/api/v1/backups?wait=30", method="POST"))
assert job["state"] == "done" and job["result"]["subjects"] == 9, job
assert b"semelha_requests_total" in call("/metrics")
print("  identifies, explains, enrolls, makes a backup")
PYTHON
$engine exec "$name" python -c \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"
echo "  passes the command of the health check"

id=$(echo "$key" | cut -d _ -f 2)
started --rm -v "$name-keys:/keys" "$image" keys revoke "$id" >/dev/null
$engine exec -i "$name" python - "$key" <<'PYTHON'
import sys, urllib.error, urllib.request
request = urllib.request.Request("http://127.0.0.1:8000/api/v1/model", headers={"x-api-key": sys.argv[1]})
try:
    urllib.request.urlopen(request, timeout=10)
except urllib.error.HTTPError as error:
    assert error.code == 401, error
else:
    raise SystemExit("a key that is revoked is accepted")
print("  refuses a key that was revoked, at once")
PYTHON

$engine stop -t 40 "$name" >/dev/null
$engine logs "$name" 2>&1 | python3 -c '
import json, sys
lines = [line for line in sys.stdin if not line.startswith("semelha serves")]
assert lines and all(json.loads(line)["level"] in ("info", "warning", "error") for line in lines)
print(f"  wrote {len(lines)} lines of JSON, and stopped")'
status=$($engine inspect --format '{{.State.ExitCode}}' "$name")
echo "all is well: it ended with $status"
