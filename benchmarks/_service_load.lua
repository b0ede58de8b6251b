-- Identifies pictures, one a request: wrk -s _service_load.lua URL -- FOLDER. Prints one line of JSON at the end.
local bodies = {}
local boundary = "picture-boundary"

function init(arguments)
   for line in io.lines(arguments[1] .. "/list.txt") do
      local file = io.open(arguments[1] .. "/" .. line, "rb")
      local data = file:read("*a")
      file:close()
      bodies[#bodies + 1] = "--" .. boundary .. "\r\nContent-Disposition: form-data; name=\"picture\"; filename=\""
         .. line .. "\"\r\nContent-Type: image/jpeg\r\n\r\n" .. data .. "\r\n--" .. boundary .. "--\r\n"
   end
end

local count = 0
function request()
   count = count + 1
   local headers = {["Content-Type"] = "multipart/form-data; boundary=" .. boundary}
   return wrk.format("POST", "/api/v1/identify", headers, bodies[count % #bodies + 1])
end

function done(summary, latency, requests)
   local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
      + summary.errors.timeout
   io.write(string.format('{"requests": %d, "seconds": %.3f, "p50": %.1f, "p99": %.1f, "failed": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
