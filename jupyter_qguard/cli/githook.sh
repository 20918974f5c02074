#!/bin/sh
# jupyter-qguard hook, one file for every name git knows. Written by `qguard git hooks`; do not edit, write it again.
#
# git looks for hooks in one folder only. So this runs the repository's own hook of the same name, if there is one
# (git-lfs needs that), and judges: pre-commit and pre-applypatch what is staged, pre-push what is going out.
# The way around that leaves a trace: QGUARD_MODE=off (recorded, where the policy's floor allows it) or, where qguard
# is missing, QGUARD_SKIP='the reason'.

PYTHON=@PYTHON@
name=${0##*/}
here=$(cd "$(dirname "$0")" && pwd -P) || exit 1
common=$(git rev-parse --git-common-dir) || exit 1

# The repository's own hook: in the hooks folder that another setting names, else where git keeps them by default.
own=$common/hooks
for folder in $(git config --type=path --get-all core.hooksPath | sed 's/ /?/g'); do
    # A space in the name became a "?", which the shell, as a pattern, has turned back into the folder's name.
    if [ -d "$folder" ] && [ "$(cd "$folder" && pwd -P)" != "$here" ]; then own=$folder; fi
done
own=$own/$name
if [ ! -x "$own" ] || [ "$own" -ef "$0" ]; then own=; fi

guard() {
    if [ -n "$PYTHON" ] && [ -x "$PYTHON" ] && "$PYTHON" -P -c 'import jupyter_qguard' 2>/dev/null; then
        "$PYTHON" -P -m jupyter_qguard "$@"
    elif command -v qguard >/dev/null 2>&1; then
        qguard "$@"
    elif [ -n "${QGUARD_SKIP:-}" ]; then
        user=$(git config user.email || echo unknown)
        if printf '%s %s %s: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$user" "$name" "$QGUARD_SKIP" \
            >>"$common/qguard-skipped.log"; then
            echo "qguard: not installed here; skipped, and recorded in $common/qguard-skipped.log." >&2
        else
            echo "qguard: not installed here, and skipping it could not be recorded; nothing was done." >&2
            return 2
        fi
    else
        echo "qguard: not installed here, so $name cannot be judged and is refused." \
            "Install jupyter-qguard, or skip it on record with QGUARD_SKIP='the reason'." >&2
        return 2
    fi
}

case $name in
pre-commit | pre-applypatch)
    # The own hook first: it may change what is staged.
    if [ -n "$own" ]; then "$own" "$@" || exit; fi
    guard scan --staged >&2 || { echo "qguard: $name refused; nothing was committed." >&2; exit 1; }
    ;;
pre-push)
    # qguard first: git-lfs uploads in this hook. Both need what git says on stdin.
    refs=$(cat; echo .)
    refs=${refs%.}
    printf '%s' "$refs" | guard scan --push "${1:-}" >&2 || { echo "qguard: nothing was pushed." >&2; exit 1; }
    if [ -n "$own" ]; then printf '%s' "$refs" | "$own" "$@" || exit; fi
    ;;
*)
    if [ -n "$own" ]; then exec "$own" "$@"; fi
    ;;
esac
exit 0
