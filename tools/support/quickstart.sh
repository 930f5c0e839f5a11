# Sourced by tools/quickstart: how it speaks, runs qlora, splits rows and sums up.

# The file that marks a folder as made here.
MARK=.made-by-quickstart
# Tokens a prompt is continued by.
CONTINUATION=120
# The most held-out rows, and the share of the rows that is held out.
HELD_OUT_LIMIT=200 HELD_OUT_SHARE=20

if [ -t 1 ]; then
    bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m' columns=$(tput cols 2> /dev/null || echo 100)
else
    bold="" dim="" plain="" columns=100
fi
columns=$((columns > 100 ? 100 : columns))

heading() { printf '\n%s== %s%s\n' "$bold" "$1" "$plain"; }

# A command as one would type it.
say() {
    local word line='$'
    for word in "$@"; do
        case "$word" in
            *[!A-Za-z0-9_./=,+:-]*) line+=" '${word//\'/\'\\\'\'}'" ;;
            *) line+=" $word" ;;
        esac
    done
    printf '%s%s%s\n' "$dim" "$line" "$plain"
}

# Says and runs a verb of the program.
qlora() {
    say qlora "$@"
    "$program" "$@"
}

# A path as it is seen from here.
short() { case "$1" in "$PWD"/*) printf '%s\n' "${1#"$PWD"/}" ;; *) printf '%s\n' "$1" ;; esac; }

# Makes OUTPUT, or empties it of what an earlier run made, if that is asked for.
prepare_output() { # OUTPUT yes|no
    local output="$1" overwrite="$2"
    if [ -e "$output" ] && { [ ! -d "$output" ] || [ -n "$(ls -A "$output")" ]; }; then
        [ -f "$output/$MARK" ] || fail 73 "$output exists and was not made by this command: name another folder for OUTPUT"
        [ "$overwrite" = yes ] || fail 73 "$output holds an earlier run: name another OUTPUT, or give --overwrite"
        echo "replacing the earlier run in $output"
        rm -rf "$output"/{base-nf4,run,study,train.jsonl,held-out.jsonl,losses}
    fi
    mkdir -p "$output" 2> /dev/null && : > "$output/$MARK" || fail 73 "$output cannot be made: name another folder for OUTPUT"
    mkdir -p "$output/losses"
}

# Holds out one row in twenty, at most 200, spread over the file.
split_rows() { # DATA TRAINED HELD_OUT
    local count every
    case "$(head -c 4 "$1" | od -An -tx1 | tr -d ' ')" in
        28b52ffd) fail 65 "$1 is compressed: give the plain file (zstd -d '$1')" ;;
        5b*) fail 65 "$1 is a JSON array: give JSON lines, one row a line" ;;
    esac
    count=$(grep -c '[^[:space:]]' "$1" || true)
    [ "$count" -ge 4 ] || fail 65 "$1 has $count rows: 4 or more are needed to train on some and hold out others"
    every=$HELD_OUT_SHARE
    [ "$count" -ge $((2 * every)) ] || every=$((count / 2))
    [ $((count / every)) -le $HELD_OUT_LIMIT ] || every=$(((count + HELD_OUT_LIMIT - 1) / HELD_OUT_LIMIT))
    awk -v every="$every" -v trained="$2" -v held="$3" '
        /[^[:space:]]/ { print > (++row % every == 0 ? held : trained) }' "$1"
    heading "Rows"
    echo "$count rows: $(grep -c '' "$3") held out in $3, $(grep -c '' "$2") to train on in $2"
}

# The beginnings to continue, from the first five held-out rows: the prompt, or the first eight words of the text.
prompts_of() { # HELD_OUT
    local line text expression='"((\\.|[^"\\])*)"'
    while IFS= read -r line; do
        if [[ $line =~ \"prompt\"[[:space:]]*:[[:space:]]*$expression ]]; then
            text=${BASH_REMATCH[1]}
        elif [[ $line =~ \"text\"[[:space:]]*:[[:space:]]*$expression ]]; then
            text=$(printf '%s' "${BASH_REMATCH[1]}" | cut -d' ' -f1-8)
        else
            continue
        fi
        printf '%s\n' "$text"
    done < <(head -5 "$1")
}

# Evaluates the held-out rows and notes the loss under a name.
evaluated() { # NAME ARGUMENT…
    local name="$1"
    shift
    qlora evaluate "$@" --data "$held_out" | tee "$output/losses/$name"
}

# Continues every prompt.
generated() { # ARGUMENT…
    local prompt seed=0
    [ ${#prompts[@]} -gt 0 ] || echo "the rows hold no text to continue"
    for prompt in ${prompts[@]+"${prompts[@]}"}; do
        # As it stands in JSON.
        prompt=${prompt//\\\"/\"}
        printf -v prompt %b "${prompt//\\\//\/}"
        [ $((seed += 1)) -eq 1 ] || echo
        say qlora generate "$@" --prompt "$prompt" --max-tokens $CONTINUATION --seed $seed
        "$program" generate "$@" --prompt "$prompt" --max-tokens $CONTINUATION --seed $seed | fold -s -w $((columns - 4)) | sed 's/^/    /; s/ *$//'
    done
}

# The number after a word in what an evaluation said.
figure() { # NAME WORD
    sed -n "s/.*$2 \([0-9.]*\).*/\1/p" "$output/losses/$1" | head -1
}

bytes_of() { # FILE…
    local total
    total=$(cat "$@" | wc -c)
    awk -v n="$total" 'BEGIN { if (n < 1e6) printf "%.0f kB", n / 1e3; else if (n < 1e9) printf "%.2f MB", n / 1e6; else printf "%.2f GB", n / 1e9 }'
}

table_row() { printf '%-30s %12s %14s %12s\n' "$@"; }

summary() {
    local before after
    before=$(figure quantized loss) after=$(figure trained loss)
    table_row "" "on disk" "held-out loss" "perplexity"
    table_row "original" "$(bytes_of "$model"/*.safetensors)" "$(figure original loss)" "$(figure original perplexity)"
    table_row "4 bits" "$(bytes_of "$base"/*.safetensors)" "$before" "$(figure quantized perplexity)"
    table_row "4 bits, trained adapter" "+ $(bytes_of "$run"/adapter_model.safetensors)" "$after" "$(figure trained perplexity)"
    awk -v before="$before" -v after="$after" -v seconds="$SECONDS" 'BEGIN {
        printf "\nTraining changed the held-out loss by %+.1f %%. All of this took %d min %d s.\n", \
            100 * (after - before) / before, seconds / 60, seconds % 60 }'
    cat << END

$base      the 4-bit model, as transformers and bitsandbytes load it
$run           the adapter, as PEFT loads it; metrics.jsonl, run.json
$output/study         report.json, and report.html with the plot of memory against loss
END
    [ -n "$data" ] || cat << END

Now with a model of your own (a Hugging Face directory) and rows of your own, {"text"} or {"prompt","completion"}:
    tools/quickstart MODEL rows.jsonl OUTPUT -- --epochs 3
END
}
