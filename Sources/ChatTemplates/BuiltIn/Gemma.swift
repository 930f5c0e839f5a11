extension BuiltInTemplate {
    /// Turns between `<start_of_turn>` and `<end_of_turn>`; the assistant is `model`, the system's words stand before
    /// the first question.
    static let gemma = BuiltInTemplate(
        name: "gemma",
        source: """
            {{- bos_token -}}
            {%- set state = namespace(system='') -%}
            {%- for message in messages -%}
                {%- if message.role == 'system' -%}
                    {%- set state.system = message.content | trim + '\\n\\n' -%}
                {%- elif message.role == 'assistant' -%}
                    {{- '<start_of_turn>model\\n' -}}
                    {%- generation -%}{{- message.content | trim + '<end_of_turn>\\n' -}}{%- endgeneration -%}
                {%- else -%}
                    {{- '<start_of_turn>' + message.role + '\\n' -}}
                    {{- state.system + message.content | trim + '<end_of_turn>\\n' -}}
                    {%- set state.system = '' -%}
                {%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}
            """)
}
