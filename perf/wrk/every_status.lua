-- Counts the answers of a wrk run by status and gives a verdict that a script can read. Loaded by the workloads.
-- wrk calls setup and done in its own state, response in each thread's: the counts travel through thread:get.
-- Looking at every answer costs wrk CPU: rates are lower than those of a script that does not look.

local threads = {}
-- A global of each thread's state, read by done.
answers_by_status = {}

-- Everything but the unreserved characters of RFC 3986, byte by byte.
function percent_encoded(text)
  return (text:gsub("[^%w%-._~]", function(byte)
    return string.format("%%%02X", byte:byte())
  end))
end

function expectation_path(name)
  return "/api/v4/characters/" .. percent_encoded(name) .. "/expectation"
end

function setup(thread)
  thread:set("thread_id", #threads)
  threads[#threads + 1] = thread
end

function response(status)
  answers_by_status[status] = (answers_by_status[status] or 0) + 1
end

-- The last line is the verdict. Without it (a script error, a killed run) there is no verdict, so it must be looked for.
function done(summary)
  local total, counts = 0, {}
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("answers_by_status")) do
      counts[status] = (counts[status] or 0) + count
      total = total + count
    end
  end
  local statuses = {}
  for status in pairs(counts) do
    statuses[#statuses + 1] = status
  end
  table.sort(statuses)
  for _, status in ipairs(statuses) do
    print(string.format("status %d: %d", status, counts[status]))
  end
  local wrong = total - (counts[200] or 0)
  local errors = summary.errors
  print(string.format("not 200: %d of %d", wrong, total))
  print(string.format("socket errors: connect %d, read %d, write %d, timeout %d",
    errors.connect, errors.read, errors.write, errors.timeout))
  local clean = total > 0 and wrong == 0
    and errors.connect + errors.read + errors.write + errors.timeout == 0
  print("verdict: " .. (clean and "every answer was 200" or "FAILED"))
  os.exit(clean and 0 or 1)
end
