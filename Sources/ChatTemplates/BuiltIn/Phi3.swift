extension BuiltInTemplate {
    /// Headers `<|role|>`, every turn ended by `<|end|>`.
    static let phi3 = BuiltInTemplate(
        name: "phi-3",
        source: """
            {%- for message in messages -%}
                {{- '<|' + message.role + '|>\\n' -}}
                {%- if message.role == 'assistant' -%}
                    {%- generation -%}{{- message.content + '<|end|>\\n' -}}{%- endgeneration -%}
                {%- else -%}
                    {{- message.content + '<|end|>\\n' -}}
                {%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{- '<|assistant|>\\n' -}}{%- endif -%}
            """)
}
