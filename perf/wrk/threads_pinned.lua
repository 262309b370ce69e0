-- The "965" workload: each wrk thread asks for one of three names for the whole run, thread id modulo 3.
-- wrk -t4 -c100 -d30s -s perf/wrk/threads_pinned.lua http://127.0.0.1:8080

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "every_status.lua")

local NAMES = { "아델", "강은호", "진격캐넌" }

wrk.headers["Accept"] = "application/json"
wrk.headers["Accept-Encoding"] = "gzip"

local the_request

function init()
  the_request = wrk.format("GET", expectation_path(NAMES[thread_id % #NAMES + 1]))
end

function request()
  return the_request
end
