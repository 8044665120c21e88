-- wrk script: asks the paths of a file in order, round and round; each thread begins at its own place.
--
--     wrk -t THREADS ... -s paths.lua URL -- FILE THREADS
--
-- The last line of the output is one JSON object; latencies are in microseconds.
local made = 0

function setup(thread)
   thread:set("number", made)
   made = made + 1
end

function init(words)
   requests = {}
   for path in io.lines(words[1]) do
      requests[#requests + 1] = wrk.format("GET", path)
   end
   count = #requests
   at = math.floor(count * number / tonumber(words[2]))
end

function request()
   at = at % count + 1
   return requests[at]
end

function done(summary, latency, all)
   local errors = summary.errors
   print(string.format(
      '{"seconds": %.3f, "answered": %d, "per_second": %.1f, "failed": %d, "bad_status": %d, '
      .. '"latency": {"p50": %.1f, "p90": %.1f, "p99": %.1f, "p99.9": %.1f, "max": %.1f}}',
      summary.duration / 1e6, summary.requests, summary.requests / summary.duration * 1e6,
      errors.connect + errors.read + errors.write + errors.timeout, errors.status,
      latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9), latency.max))
end
