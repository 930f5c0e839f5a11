extension BuiltInTemplate {
    /// Headers `<|role|>` on lines of their own, every turn ended by the end token.
    static let zephyr = BuiltInTemplate(
        name: "zephyr",
        source: """
            {%- for message in messages -%}
                {{- '<|' + message.role + '|>\\n' -}}
                {%- if message.role == 'assistant' -%}
                    {%- generation -%}{{- message.content + eos_token -}}{%- endgeneration -%}
                {%- else -%}
                    {{- message.content + eos_token -}}
                {%- endif -%}
                {{- '\\n' -}}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{- '<|assistant|>\\n' -}}{%- endif -%}
            """)
}
