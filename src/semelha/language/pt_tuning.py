"""Texts for tunings in Brazilian Portuguese. A pair is for one and for several; braces name values."""

TUNING: dict[str, str | tuple[str, str]] = {
    # Verdict
    "tune.level.good": "Há configurações melhores",
    "tune.level.fair": "Ficam os valores padrão",
    "tune.level.unknown": "Foi testado muito pouco",
    "tune.take": "Use a configuração encontrada: de 100 imagens de classes que não participaram da escolha, {found} "
    "tinham como mais próxima uma imagem da sua classe; com os valores padrão, {default}.",
    "tune.keep": "Fique com os valores padrão: com a configuração encontrada, {found} em 100 imagens de classes que "
    "não participaram da escolha tinham como mais próxima uma imagem da sua classe; com os valores padrão, {default}. "
    "Essa diferença pode ser acaso.",
    "tune.worse": "Fique com os valores padrão: com a configuração encontrada, só {found} em 100 imagens de classes "
    "que não participaram da escolha tinham como mais próxima uma imagem da sua classe; com os valores padrão, "
    "{default}.",
    "tune.none": (
        "Fique com os valores padrão: {n} outra configuração foi testada, e não foi melhor nas classes de seleção.",
        "Fique com os valores padrão: nenhuma de {n} outras configurações foi melhor nas classes de seleção.",
    ),
    "tune.untried": "Fique com os valores padrão: nada mais foi testado.",
    "tune.train": "Treine com a configuração encontrada e todas as imagens, pelo comando abaixo.",
    "tune.train_defaults": "Treine com os valores padrão e todas as imagens, pelo comando abaixo.",
    "tune.budget": (
        "O tempo acabou depois de {n} teste: dê mais (--budget) para testar outras configurações.",
        "O tempo acabou depois de {n} testes: dê mais (--budget) para testar outras configurações.",
    ),
    "tune.trials": (
        "Só {n} teste foi permitido: permita mais (--trials) para testar outras configurações.",
        "Só {n} testes foram permitidos: permita mais (--trials) para testar outras configurações.",
    ),
    "tune.basis": "Isto se baseia em {pictures} imagens de {classes} classes. {tested} delas foram testadas, com o que "
    "se aprendeu de outras; a configuração foi escolhida por mais {selection}.",
    # Report
    "tune.title": "Configurações de “{method}” para {data}",
    "tune.lead": (
        "{n} teste em {pictures} imagens de {classes} classes, em {time}.",
        "{n} testes em {pictures} imagens de {classes} classes, em {time}.",
    ),
    "tune.tested": "Nas classes de teste",
    "tune.tested_note": "Estas classes não participaram da escolha. Em letra miúda: intervalos de 95%, por "
    "reamostragem das classes (bootstrap).",
    "tune.difference": "diferença em R@1",
    "tune.difference_note": "pontos percentuais; p = {p}, e abaixo de 0,05 dificilmente se deve ao acaso",
    "tune.default": "valores padrão",
    "tune.found": "configuração encontrada",
    "tune.setting": "parâmetro",
    "tune.automatic": "automático",
    "tune.commands": "Os comandos",
    "tune.plots": "O que foi testado",
    "tune.plots_note": "R@1 nas classes de seleção em relação a cada parâmetro. As linhas verticais são intervalos de "
    "95%; a pontilhada está na altura dos valores padrão. Uma cruz embaixo é um teste interrompido cedo ou que falhou.",
    "tune.trial": "teste",
    "tune.trials_table": "Todos os testes",
    "tune.time": "tempo",
    "tune.selection_r_at_1": "R@1 nas classes de seleção",
    "state.pruned": "interrompido cedo: pior que a maioria",
    "tune.folds": (
        "{tested} classes são testadas em {n} parte; o método aprende das classes das outras, {learned} em cada.",
        "{tested} classes são testadas em {n} partes; o método aprende das classes das outras, {learned} em cada.",
    ),
    "tune.selection": (
        "{n} outra classe serve só para testar configurações.",
        "{n} outras classes servem só para testar configurações.",
    ),
    "tune.choice": "A melhor configuração nelas e os valores padrão são medidos uma só vez nas classes de teste.",
    "tune.p_note": "p é de um teste de permutação pareado sobre classes.",
    "tune.minutes": "Um treino da rede termina depois de {time}.",
    "trial.default": "valores padrão",
    "trial.found": "configuração encontrada",
    "trial.other": "outros",
    "trial.unmeasured": "não medidos",
}
