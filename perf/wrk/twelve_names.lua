-- The "719" workload: each request asks for one of twelve names at random.
-- wrk -t4 -c200 -d10s -s perf/wrk/twelve_names.lua http://127.0.0.1:8080

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "every_status.lua")

local NAMES = {
  "아델", "진격캐넌", "글자", "뉴비렌붕잉", "긱델", "고딩",
  "물주", "쯔단", "강은호", "팀에이컴퍼니", "흡혈", "꾸장",
}

wrk.headers["Accept-Encoding"] = "gzip"

local requests = {}

function init()
  for index, name in ipairs(NAMES) do
    requests[index] = wrk.format("GET", expectation_path(name))
  end
end

-- Unseeded, as the workload is defined: every thread draws the same sequence, in every run.
function request()
  return requests[math.random(#requests)]
end
