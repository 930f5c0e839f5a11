extension BuiltInTemplate {
    /// Headings `### Instruction:` and `### Response:`, every answer ended by the end token.
    static let alpaca = BuiltInTemplate(
        name: "alpaca",
        source: """
            {{- bos_token -}}
            {%- for message in messages -%}
                {%- if message.role == 'system' -%}
                    {{- message.content + '\\n\\n' -}}
                {%- elif message.role == 'user' -%}
                    {{- '### Instruction:\\n' + message.content + '\\n\\n' -}}
                {%- elif message.role == 'assistant' -%}
                    {{- '### Response:\\n' -}}
                    {%- generation -%}{{- message.content + eos_token -}}{%- endgeneration -%}
                    {%- if not loop.last -%}{{- '\\n\\n' -}}{%- endif -%}
                {%- else -%}
                    {{- raise_exception('the roles are system, user and assistant, not ' + message.role) -}}
                {%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{- '### Response:\\n' -}}{%- endif -%}
            """)
}
