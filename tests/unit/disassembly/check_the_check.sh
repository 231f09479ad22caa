#!/bin/bash
# The check must see what was planted and leave alone what is innocent.
#
#   check_the_check.sh CHECK HEADER LIBRARY OBJECT...
#
# The library is that of disguised.cpp, and the objects are those of planted.cpp, innocent.cpp, door.cpp and door_user.cpp, in any order.
set -u
check=$1
header=$2
library=$3
shift 3
for object in "$@"; do
  case $(basename "$object") in
    planted.cpp.*) planted=$object ;;
    innocent.cpp.*) innocent=$object ;;
    door.cpp.*) door=$object ;;
    door_user.cpp.*) door_user=$object ;;
  esac
done

failures=0
fail() {
  echo "FAILED: $1"
  failures=$((failures + 1))
}
expect_report() {  # text, pattern
  grep -Eq "$2" <<<"$1" || fail "not reported: $2"
}

text=$(bash "$check" --own --header "$header" "$innocent" "$door" "$door_user")
if [ $? -eq 77 ]; then
  echo "$text"
  exit 77
fi
grep -q 'innocent' <<<"$text" && fail "innocent code was reported: $text"

text=$(bash "$check" --own "$innocent" "$planted")
[ $? -eq 1 ] || fail "planted code passed"
for function in reads_own address_of_own reads_errno reads_globals reads_foreign reads_thread \
                keeps_address; do
  expect_report "$text" "^planted\.cpp\.[a-z]+: planted::$function\("
done
grep -q 'innocent' <<<"$text" && fail "innocent code was reported beside planted code"

# Behind the door nothing is a violation, but its functions must be in order.
text=$(bash "$check" --own --header "$header" "$door" "$door_user" "$innocent")
[ $? -eq 1 ] || fail "a bad door passed"
expect_report "$text" 'nobody calls never_called'
expect_report "$text" 'missing is not there'
expect_report "$text" 'nobody calls missing'
grep -q 'stands_and_is_called' <<<"$text" && fail "a good function of the door was reported"
grep -q '^door\.cpp' <<<"$text" && fail "code behind the door was reported"

# Linked code: only functions with weft's names are violations.
text=$(bash "$check" "$library")
[ $? -eq 1 ] || fail "a bad library passed"
expect_report "$text" ': weft::detail::reads_hidden\('
expect_report "$text" ': weft::detail::keeps_address_of_errno\(.*errno'
expect_report "$text" ': weft::detail::steps_over_a_page\(.*one step'
grep -Eq 'is_in_order|user::' <<<"$text" && fail "what is in order or the user's was reported: $text"
text=$(bash "$check" --yours "$library")
expect_report "$text" '^yours: user::keeps_errno\('
expect_report "$text" '^yours: .*weft::detail::calls<user::reads_errno>'
grep -Eq '^yours: user::(only|instantiates)' <<<"$text" && fail "harmless code was listed: $text"

[ $failures -eq 0 ] && echo "the check sees what it should"
exit $((failures > 0))
