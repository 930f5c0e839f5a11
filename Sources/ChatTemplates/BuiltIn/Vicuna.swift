extension BuiltInTemplate {
    /// One line of `USER:` and `ASSISTANT:`, every answer ended by the end token.
    static let vicuna = BuiltInTemplate(
        name: "vicuna",
        source: """
            {{- bos_token -}}
            {%- for message in messages -%}
                {%- if message.role == 'system' -%}
                    {{- message.content + ' ' -}}
                {%- elif message.role == 'user' -%}
                    {{- 'USER: ' + message.content + ' ' -}}
                {%- elif message.role == 'assistant' -%}
                    {{- 'ASSISTANT:' -}}
                    {%- generation -%}{{- ' ' + message.content + eos_token -}}{%- endgeneration -%}
                {%- else -%}
                    {{- raise_exception('the roles are system, user and assistant, not ' + message.role) -}}
                {%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{- 'ASSISTANT:' -}}{%- endif -%}
            """)
}
