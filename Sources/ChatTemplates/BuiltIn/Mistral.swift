extension BuiltInTemplate {
    /// Questions between `[INST]` and `[/INST]`, every answer ended by the end token; the system's words stand before
    /// the first question.
    static let mistral = BuiltInTemplate(
        name: "mistral",
        source: """
            {{- bos_token -}}
            {%- set state = namespace(system='') -%}
            {%- for message in messages -%}
                {%- if message.role == 'system' -%}
                    {%- set state.system = message.content + '\\n\\n' -%}
                {%- elif message.role == 'user' -%}
                    {{- '[INST] ' + state.system + message.content + ' [/INST]' -}}
                    {%- set state.system = '' -%}
                {%- elif message.role == 'assistant' -%}
                    {%- generation -%}{{- ' ' + message.content + eos_token -}}{%- endgeneration -%}
                {%- else -%}
                    {{- raise_exception('the roles are system, user and assistant, not ' + message.role) -}}
                {%- endif -%}
            {%- endfor -%}
            """)
}
