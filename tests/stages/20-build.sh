# SPDX-License-Identifier: Apache-2.0
# stage: [fast] gcc, and clang-19 with ASan and UBSan; warnings are errors
. "$(dirname "$0")/lib.sh"

build() { # NAME DIR OPTIONS...
	local name=$1 dir=$2 begin=$SECONDS
	shift 2
	if setup_build "$dir" "$@" && ninja -C "$dir"; then
		ok "$name ($((SECONDS - begin)) s)"
	else
		not_ok "$name"
	fi
}

CC=gcc build "build with gcc" build -Dwerror=true -Dtests=true -Dtest_wide_ct=false
CC=clang-19 build "build with clang-19 and sanitizers" build-asan -Dwerror=true -Dtests=true \
	-Dfuzzers=true -Db_sanitize=address,undefined -Db_lundef=false
