-- wrk: the body of the file BODY, with the header AUTH where it is set; one line of JSON at the end.
local file = io.open(os.getenv("BODY"), "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
wrk.headers["Content-Type"] = "application/json"
if os.getenv("AUTH") then wrk.headers["Authorization"] = os.getenv("AUTH") end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"rps": %.1f, "p50_ms": %.3f, "p99_ms": %.3f, "n": %d, "bad": %d}\n',
    summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.requests, errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
