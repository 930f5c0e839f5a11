extension BuiltInTemplate {
    /// Headers `<|im_start|>role`, every turn ended by `<|im_end|>`.
    static let chatML = BuiltInTemplate(
        name: "chatml",
        source: """
            {%- for message in messages -%}
                {{- '<|im_start|>' + message.role + '\\n' -}}
                {%- if message.role == 'assistant' -%}
                    {%- generation -%}{{- message.content + '<|im_end|>\\n' -}}{%- endgeneration -%}
                {%- else -%}
                    {{- message.content + '<|im_end|>\\n' -}}
                {%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
            """)
}
