extension BuiltInTemplate {
    /// Headers `<|start_header_id|>role<|end_header_id|>` and a blank line, every turn ended by `<|eot_id|>`.
    static let llama3 = BuiltInTemplate(
        name: "llama-3",
        source: """
            {{- bos_token -}}
            {%- for message in messages -%}
                {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' -}}
                {%- if message.role == 'assistant' -%}
                    {%- generation -%}{{- message.content | trim + '<|eot_id|>' -}}{%- endgeneration -%}
                {%- else -%}
                    {{- message.content | trim + '<|eot_id|>' -}}
                {%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}
                {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
            {%- endif -%}
            """)
}
