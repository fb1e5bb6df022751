# Sourced by ./run: builds once, runs the test projects one after the other on servers of their own, and adds up.
# shellcheck shell=bash

test_instances_started=()

run_tests() {
  local name file projects=() extra=() wanted=() fast='' passed=0 failed=0 skipped=0
  one_test_run_at_a_time
  while (($# > 0)); do
    case $1 in
      --fast) fast=1; export JOBS_TEST_FAST=1 ;;
      --soak) export JOBS_TEST_SOAK=1 ;;
      --) shift; extra=("$@"); break ;;
      -*) fail "unknown option $1" "./run test [NAMES] [--fast] [--soak] [-- ARGS FOR dotnet test]" ;;
      *) wanted+=("$1") ;;
    esac
    shift
  done
  choose_projects
  trap 'stop_test_servers; close_step_line' EXIT
  trap 'exit 130' INT TERM # dotnet ends in good order on Ctrl-C; without this we would go on with the next project

  check_sdk
  ensure_servers test
  ensure_pika
  build Jobs.sln Debug
  for name in "${projects[@]}"; do
    run_project
  done

  stop_test_servers
  trap close_step_line EXIT
  ((passed + failed > 0)) || complain "no test ran"
  # The line that continuous integration reads: it stays the last one.
  echo "$passed passed, $failed failed, $skipped skipped"
  ((failed == 0 && passed > 0)) || exit 1
}

one_test_run_at_a_time() {
  # Two runs in one checkout would build over each other. What we start does not get fd 9: some of it outlives us.
  command -v flock >/dev/null || return 0
  mkdir -p "$servers"
  exec 9>"$servers/test.lock"
  flock -n 9 || { say "waiting for another ./run test in this checkout"; flock 9; }
}

complain() { say "${red}error:${plain} $*"; }

choose_projects() { # the quick to fail first, and last the tests that kill servers
  local all=() first=() middle=() last=()
  for file in "$root"/tests/*/*.csproj; do
    grep -qs Microsoft.NET.Test.Sdk "$file" || continue
    name=$(basename "$(dirname "$file")")
    all+=("$name")
    if ((${#wanted[@]} > 0)) && [[ " ${wanted[*]} " != *" $name "* ]]; then continue; fi
    case $name in
      Architecture) first=("$name" "${first[@]}") ;;
      Engine) first+=("$name") ;;
      Cli) [[ $fast ]] || middle+=("$name") ;; # it starts a process for each command
      Faults) [[ $fast ]] || last=("$name") ;;
      *) middle+=("$name") ;;
    esac
  done
  for name in "${wanted[@]}"; do
    [[ " ${all[*]} " == *" $name "* ]] || fail "there is no test project $name" "one of: ${all[*]}"
  done
  projects=("${first[@]}" "${middle[@]}" "${last[@]}")
  ((${#projects[@]} > 0)) || fail "there are no test projects to run" "look at tests/*/*.csproj"
}

run_project() { # adds to passed, failed and skipped of run_tests; a runner that dies is a failed test
  local results=$servers/test-results/$name trx instance=test code=0 total ran good filter=() hang=(--blame-hang-timeout 5m --blame-hang-dump-type none)
  trx=$results/$name.trx
  if [[ $name == Faults ]]; then
    instance=faults
    ensure_servers faults
  fi
  if [[ $fast ]] && ((${#extra[@]} == 0)); then filter=(--filter 'Category!=Slow'); fi
  if [[ ${JOBS_TEST_SOAK:-} ]]; then hang=(); fi # a soak is one long test
  rm -rf "$results"
  say "${bold}tests/$name${plain}"
  (
    export JOBS_INSTANCE=$instance JOBS_SERVERS_SCRIPT=$root/eng/servers.sh
    export_servers
    cd "$root"
    exec dotnet test "tests/$name" --no-build -c Debug --nologo --logger "trx;LogFileName=$name.trx" --results-directory "$results" \
      "${hang[@]}" "${filter[@]}" "${extra[@]}"
  ) </dev/null 9>&- || code=$?

  if [[ ! -f $trx ]]; then
    # A filter may leave nothing of a project; without one a missing result is a runner that died.
    if ((code == 0 && ${#extra[@]} > 0)); then return; fi
    failed=$((failed + 1))
    complain "tests/$name ended with exit code $code and left no results"
    return
  fi
  # trx counts skipped tests nowhere but in the difference.
  total=$(trx_counter total "$trx") ran=$(trx_counter executed "$trx") good=$(trx_counter passed "$trx")
  passed=$((passed + good)) failed=$((failed + ran - good)) skipped=$((skipped + total - ran))
  if ((code != 0 && ran == good)); then
    failed=$((failed + 1))
    complain "tests/$name ended with exit code $code although no test failed: the runner died or was cut short"
  fi
}

trx_counter() { # trx_counter NAME FILE
  local value
  value=$(sed -n "s/.*<Counters [^>]*\b$1=\"\([0-9]*\)\".*/\1/p" "$2" | head -n 1)
  echo "${value:-0}"
}

ensure_pika() { # the test with a client in another language; Debian's own Python, whatever other one comes first in PATH
  if [[ ${#wanted[@]} -gt 0 && " ${wanted[*]} " != *" Engine "* ]] || /usr/bin/python3 -c 'import pika' 2>/dev/null; then return; fi
  if ! command -v apt-get >/dev/null; then
    say "no python3-pika here, and no Debian packages to get it from: the tests of a Python client are skipped"
  elif ((EUID != 0)); then
    say "no python3-pika here, and only root can install it: the tests of a Python client will fail (sudo apt-get install python3-pika)"
  else
    mkdir -p "$servers"
    (apt_install python3-pika) || say "the tests of a Python client will fail; the others run"
  fi
}

ensure_servers() { # ensure_servers INSTANCE
  if ! JOBS_INSTANCE=$1 run_servers status >/dev/null 2>&1; then
    test_instances_started+=("$1") # before `up`, so that a run cut short there still stops what came up
    # What the last run left was kept for whoever wanted to look at it; this run starts from nothing.
    JOBS_INSTANCE=$1 run_servers down --wipe 2>/dev/null
    JOBS_INSTANCE=$1 run_servers up
  fi
}

stop_test_servers() {
  local instance
  for instance in "${test_instances_started[@]}"; do
    JOBS_INSTANCE=$instance run_servers down || true
  done
  test_instances_started=()
}
