"""The catalog in Brazilian Portuguese. A pair is for one and for several; braces name values."""

from semelha.language.en import Text

PT: dict[str, Text] = {
    # Verdict of an evaluation
    "verdict.title": "Em resumo",
    "verdict.next": "O que fazer agora",
    "level.good": "Bom o bastante para trabalhar sozinho",
    "level.fair": "Útil com uma pessoa ao lado",
    "level.poor": "Ainda não é bom o bastante",
    "level.unknown": "Poucos dados para dizer",
    "range": "{low} a {high}",
    "false_names": ("{n} nome falso em {of} desconhecidos", "{n} nomes falsos em {of} desconhecidos"),
    "evaluation.right": "De 100 imagens de coisas conhecidas, acerta o nome de {right}, se sempre tiver de dar um "
    "nome.",
    "evaluation.no_right": "Nenhuma imagem tem outra da mesma coisa com que se comparar.",
    "evaluation.missed": "Com {rate}, perderia ou trocaria {missed} em 100: {judgement}.",
    "evaluation.missed_at_best": "Com {rate}, na melhor das hipóteses perderia ou trocaria {missed} em 100: "
    "{judgement}.",
    "evaluation.not_missed": "Com tão poucas imagens não dá para medir quantas perderia com {rate}.",
    "judgement.good": "pouco o bastante para uso sem supervisão",
    "judgement.fair": "útil se uma pessoa der nome ao resto",
    "judgement.poor": "demais para uso sem supervisão",
    "step.unseen": (
        "O modelo foi treinado com {n} das {of} coisas, e por isso os números são bons demais: meça com outras coisas.",
        "O modelo foi treinado com {n} das {of} coisas, e por isso os números são bons demais: meça com outras coisas.",
    ),
    "step.mated": "Adicione uma segunda imagem das coisas cadastradas: não há nenhuma com que perguntar.",
    "step.strangers": "Adicione imagens de outras coisas até que {needed} mostrem coisas não cadastradas; hoje são "
    "{n}.",
    "step.false_names": "Deu nome a {named} de 100 desconhecidos, mais do que o pedido: calibre com imagens de "
    "desconhecidos como os que vai encontrar.",
    "step.intervals": "Nenhum intervalo foi calculado: avalie com reamostragem antes de confiar nestes números.",
    "step.subjects": "Os números são incertos: meça ao menos {needed} coisas; desta vez foram {n}.",
    "step.precise": "Os números são incertos: meça mais coisas do que estas {n} antes de decidir.",
    "step.train": "O modelo não distingue bem estas coisas: treine-o com imagens como estas.",
    "step.enroll": "Cadastre três imagens de cada coisa e meça de novo.",
    "step.looser": "Ou aceite {rate}: assim, na melhor das hipóteses, perderia ou trocaria {missed} em 100.",
    "step.looser_only": "Aceite {rate}: assim, na melhor das hipóteses, perderia ou trocaria {missed} em 100.",
    "step.calibrate": "Para manter esta taxa, calibre com {strangers} imagens de desconhecidos, ou cadastre {subjects} "
    "coisas; aqui foram {n}.",
    "step.use": "Calibre a galeria para esta taxa e use-a.",
    "basis.evaluation": "Isto se baseia em {pictures} imagens de {subjects} coisas, {enrolled} delas cadastradas com "
    "{each}; as outras {others} são os desconhecidos.",
    "basis.one_each": "uma imagem cada",
    "basis.each": "{each} imagens cada, em média",
    # Verdict of a check
    "check.empty": "A galeria está vazia.",
    "check.mislabels": (
        "{n} de {of} imagens parece ter o nome errado; pelas probabilidades estimadas, cerca de {expected} tem mesmo.",
        "{n} de {of} imagens parecem ter o nome errado; pelas probabilidades estimadas, cerca de {expected} têm mesmo.",
    ),
    "check.no_mislabels": (
        "Nenhum nome errado foi encontrado na {n} imagem que se pode julgar.",
        "Nenhum nome errado foi encontrado nas {n} imagens que se podem julgar.",
    ),
    "check.no_judgement": "Nenhum nome pode ser julgado, porque nenhuma coisa tem duas imagens.",
    "check.others": "Também foi encontrado: {found}.",
    "check.nothing": "Nada mais foi encontrado.",
    "check.merge": ("{n} par de coisas que podem ser uma só", "{n} pares de coisas que podem ser uma só"),
    "check.duplicate": (
        "{n} imagem em duas coisas ao mesmo tempo",
        "{n} imagens em duas coisas ao mesmo tempo",
    ),
    "check.split": ("{n} coisa que pode ser duas", "{n} coisas que podem ser duas"),
    "check.outlier": ("{n} imagem diferente de todas", "{n} imagens diferentes de todas"),
    "check.level.good": "Em ordem",
    "check.level.fair": "Vale olhar",
    "check.level.poor": "Precisa de conserto",
    "check.level.unknown": "Não dá para julgar",
    "repair.mislabel": (
        "Primeiro mova ou confirme a imagem de nome duvidoso: um nome errado causa respostas erradas.",
        "Primeiro mova ou confirme as {n} imagens de nome duvidoso: um nome errado causa respostas erradas.",
    ),
    "repair.merge": (
        "Una as duas coisas que são uma só, ou diga em que diferem.",
        "Una os {n} pares de coisas que são uma só, ou diga em que diferem.",
    ),
    "repair.duplicate": (
        "Apague a imagem de uma das duas coisas.",
        "Apague cada uma das {n} imagens repetidas de uma das suas duas coisas.",
    ),
    "repair.split": ("Olhe a coisa que pode ser duas.", "Olhe as {n} coisas que podem ser duas."),
    "repair.outlier": (
        "Olhe a imagem que é diferente de todas.",
        "Olhe as {n} imagens que são diferentes de todas.",
    ),
    "repair.single": (
        "Cadastre uma segunda imagem da coisa que só tem uma.",
        "Cadastre uma segunda imagem das {n} coisas que só têm uma.",
    ),
    "repair.enroll": "Cadastre imagens: ao menos duas de cada coisa.",
    "repair.nothing": "Nada precisa de conserto. Verifique de novo quando a galeria crescer.",
    "basis.check": "Isto se baseia em {pictures} imagens de {subjects} coisas.",
    "basis.single": (
        "Isto se baseia em {pictures} imagens de {subjects} coisas; {n} só tem uma imagem, cujo nome não se pode "
        "julgar.",
        "Isto se baseia em {pictures} imagens de {subjects} coisas; {n} só têm uma imagem, cujo nome não se pode "
        "julgar.",
    ),
    # Verdict of a comparison
    "compare.level.good": "Um método funciona bem",
    "compare.level.fair": "Um método funciona em parte",
    "compare.level.poor": "Nenhum método funciona bem ainda",
    "compare.level.unknown": "Poucos dados para dizer",
    "compare.none": "Nenhum método pôde ser medido, e por isso nenhum é recomendado.",
    "compare.take": "Use {method}: de 100 imagens de classes que nunca viu, {right} tinham como mais próxima uma "
    "imagem da sua classe.",
    "compare.best_surely": "{method} foi com certeza melhor, {right} em 100, mas custa mais.",
    "compare.best": "{method} teve {right} em 100, o que não é com certeza melhor, e custa mais.",
    "compare.train": "Treine-o com todas as imagens, pelo comando abaixo.",
    "compare.classes": (
        "Os números são incertos: {n} classe foi testada; acrescente classes até que sejam {needed}.",
        "Os números são incertos: {n} classes foram testadas; acrescente classes até que sejam {needed} ou mais.",
    ),
    "compare.uncertain": "Os números são incertos: acrescente classes às {n} que foram testadas.",
    "compare.budget_step": (
        "{n} método foi cortado: dê mais tempo (--budget) para medi-lo também.",
        "{n} métodos foram cortados: dê mais tempo (--budget) para medi-los também.",
    ),
    "compare.install": (
        '{n} método ficou de fora: pip install "semelha[train]" para medi-lo também.',
        '{n} métodos ficaram de fora: pip install "semelha[train]" para medi-los também.',
    ),
    "compare.basis": "Isto se baseia em {pictures} imagens de {classes} classes. {tested} delas foram testadas, com o "
    "que se aprendeu de outras; o método foi escolhido por mais {selection}.",
    # Report of a comparison
    "compare.title": "Comparação de métodos em {data}",
    "compare.lead": (
        "{measured} de {n} método medido em {pictures} imagens de {classes} classes, em {time}.",
        "{measured} de {n} métodos medidos em {pictures} imagens de {classes} classes, em {time}.",
    ),
    "compare.figures": "Todos os métodos",
    "compare.figures_note": "Os melhores primeiro. Em letra miúda e como linhas: intervalos de 95%, por reamostragem "
    "das classes (bootstrap). p: da diferença ao melhor; abaixo de 0,05, dificilmente se deve ao acaso.",
    "compare.method": "método",
    "compare.recommended": "recomendado",
    "compare.p": "p",
    "compare.seconds": "treino",
    "compare.seconds_note": "para aprender das classes de uma parte, sem o cálculo das características",
    "compare.embedding": "vetor",
    "compare.embedding_note": "de uma imagem",
    "compare.dim": "números",
    "compare.size": "tamanho",
    "state.cut": "cortado na rodada {round}",
    "state.failed": "falhou",
    "state.not installed": "não instalado",
    "compare.commands": "O que é cada método, e o comando que o treina",
    "compare.by_training": "Acerto e tempo de treino",
    "compare.by_embedding": "Acerto e tempo por imagem",
    "compare.cost_note": "Números como na tabela; linhas são intervalos de 95%. Pontilhado: nenhum outro método é mais "
    "barato e melhor.",
    "compare.grids": "Imagens mais próximas em cada método",
    "compare.grids_note": "As mesmas consultas em cada método, de uma que poucos acertam a uma que a maioria acerta. À "
    "esquerda: a consulta. À direita: as imagens mais próximas, {right} se a classe está certa, senão {wrong}.",
    "compare.nearest_right": (
        "{right} de {n} consulta certa",
        "{right} de {n} consultas certas",
    ),
    "compare.right": "certa",
    "compare.wrong": "errada",
    "compare.disagree": "Onde os métodos discordam",
    "compare.disagree_note": (
        "De {n} consulta: quantas só um de dois métodos acerta. Os pares que mais discordam.",
        "De {n} consultas: quantas só um de dois métodos acerta. Os pares que mais discordam.",
    ),
    "compare.pair": "métodos",
    "compare.only_first": "só o primeiro acerta",
    "compare.only_second": "só o segundo acerta",
    "compare.both": "juntos",
    "compare.only": (
        "Só {method} acerta {n} consulta.",
        "Só {method} acerta {n} consultas.",
    ),
    "compare.budget": "O tempo, e o que ele cortou",
    "compare.limit": "Foram usados {used} de {limit}.",
    "compare.no_limit": "Foram usados {used}, sem limite.",
    "compare.were_cut": (
        "{n} método foi cortado depois de uma rodada: a melhor metade segue com mais classes e mais tempo.",
        "{n} métodos foram cortados depois de uma rodada: a melhor metade segue com mais classes e mais tempo.",
    ),
    "compare.not_cut": "Nenhum método foi cortado depois de uma rodada.",
    "compare.round": "rodada",
    "compare.share": "das classes",
    "compare.entered": "métodos",
    "compare.cut": "cortados",
    "compare.premise": "Uma classe nova: treinar de novo ou cadastrar",
    "compare.premise_note": (
        "{n} classe é acrescentada a {known}, com no máximo {pictures} imagens de cada uma.",
        "{n} classes são acrescentadas a {known}, com no máximo {pictures} imagens de cada uma.",
    ),
    "compare.premise_result": "Cadastrar levou {enroll}, treinar de novo {retrain}.",
    "compare.way": "modo",
    "compare.way_seconds": "tempo",
    "compare.way_new": "acertos, classes novas",
    "compare.way_known": "acertos, classes conhecidas",
    "way.retrain a classifier": "treinar de novo um classificador",
    "way.enroll": "cadastrar as imagens",
    "compare.how": "Como foi medido",
    "compare.folds": (
        "{tested} classes são testadas em {n} parte; cada método aprende das classes das outras, {learned} em cada.",
        "{tested} classes são testadas em {n} partes; cada método aprende das classes das outras, {learned} em cada.",
    ),
    "compare.selection": (
        "{n} outra classe serve só para escolher: o que cortar, e o que recomendar.",
        "{n} outras classes servem só para escolher: o que cortar, e o que recomendar.",
    ),
    "compare.p_note": "p é de um teste de permutação pareado sobre classes contra o melhor, corrigido pelo número de "
    "métodos (Holm, 1979).",
    "compare.seed": "Semente de todos os sorteios: {seed}.",
    "compare.machine": "Máquina: {machine}. {versions}. {date}.",
    "compare.by_fold": "R@1 em cada parte",
    "compare.fold": "parte {number}",
    "compare.gone": "sem imagem",
    "compare.missing": (
        "{n} imagem já não pode ser lida; o seu lugar está vazio.",
        "{n} imagens já não podem ser lidas; os seus lugares estão vazios.",
    ),
    "family.features": "características",
    "family.histograms": "histogramas",
    "family.model": "modelo como é",
    "family.learned distance": "distância aprendida",
    "family.network": "rede",
    "family.network without labels": "rede sem rótulos",
    # Report of a check
    "check.title": "Verificação de {name}",
    "check.lead": (
        "{examples} imagens de {subjects} coisas; {n} resultado.",
        "{examples} imagens de {subjects} coisas; {n} resultados.",
    ),
    "check.no_findings": "Nada encontrado.",
    "check.first": "as primeiras {shown} de {of}",
    "kind.mislabel": "Imagens que parecem ser de outra coisa",
    "kind.merge": "Duas coisas que parecem ser uma só",
    "kind.split": "Coisas que parecem ser duas",
    "kind.duplicate": "Quase a mesma imagem em duas coisas",
    "kind.outlier": "Imagens diferentes de todas as outras",
    "finding.mislabel": "cadastrada como {a}, mas mais parecida com {b}",
    "finding.merge": "{a} e {b} não diferem mais do que duas metades de uma só coisa",
    "finding.split": "{a} tem dois grupos, tão diferentes como duas coisas",
    "finding.duplicate": "quase a mesma imagem está em {a} e em {b}",
    "finding.outlier": "uma imagem de {a} diferente de todas as outras",
    # Report of clusters
    "clusters.title": "Grupos de imagens desconhecidas",
    "clusters.lead": (
        "{n} imagem, em grupos de distância média até {threshold}.",
        "{n} imagens, em grupos de distância média até {threshold}.",
    ),
    "clusters.new": ("{n} coisa proposta", "{n} coisas propostas"),
    "clusters.known": ("{n} coisa que a galeria conhece", "{n} coisas que a galeria conhece"),
    "clusters.skipped": ("{n} arquivo deixado de fora", "{n} arquivos deixados de fora"),
    "clusters.pictures": ("{n} imagem", "{n} imagens"),
    "clusters.apart": "distância média {distance}",
    # Report of an evaluation
    "report.title": "Avaliação de {model} em {data}",
    "report.the_model": "o modelo",
    "report.lead": "{pictures} imagens de {classes} classes; {probes} consultas em {references} imagens; {seconds} s.",
    "report.time": "%d/%m/%Y %H:%M UTC",
    "report.figures": "Todos os números",
    "report.figures_note": "Em letra miúda: o intervalo de 95%, por reamostragem das coisas (bootstrap).",
    "report.cmc": "Identificação em conjunto fechado (CMC)",
    "report.cmc_note": "Com que frequência a coisa certa está entre as k mais próximas. Faixa: intervalo de 95%.",
    "report.distances": "Distâncias dos pares",
    "report.distances_note": "Do modelo: pares de imagens de uma mesma classe e de duas classes. Quanto menos os dois "
    "se sobrepõem, melhor. Linha pontilhada: o limiar em que os dois tipos de erro são igualmente frequentes.",
    "report.roc": "Verificação (ROC)",
    "report.roc_note": "Em todos os pares de imagens: pares iguais aceitos contra pares diferentes aceitos.",
    "report.det": "Identificação em conjunto aberto (DET)",
    "report.det_note": "Linhas: todos os limiares, escolhidos depois de ver as respostas. Pontos: a regra calibrada, "
    "com "
    "intervalos de 95%. Linha pontilhada: a FPIR pedida.",
    "report.oscr": "Classificação em conjunto aberto (OSCR)",
    "report.oscr_note": "Consultas conhecidas bem identificadas contra consultas desconhecidas aceitas.",
    "report.sizes": "Tamanho da galeria",
    "report.sizes_one": "Uma galeria de todas as {n} coisas cadastradas: faltam dados para menores.",
    "report.sizes_note": "{n} consultas desconhecidas em galerias sorteadas de tamanho crescente: média, menor e maior "
    "valor de {galleries} galerias.",
    "report.sizes_few": "Galerias sem ponto calibrado têm poucas coisas para a taxa.",
    "report.reliability": "Calibração das probabilidades",
    "report.reliability_none": "Dados insuficientes: {note}.",
    "report.reliability_note": "Probabilidade prevista de que uma resposta esteja certa, e a fração das que estão. "
    "Acima "
    "da diagonal, acerta-se mais do que o previsto. Pontos maiores: mais consultas.",
    "report.wrong": "Respostas erradas",
    "report.wrong_note": "À esquerda: a consulta. À direita: as imagens mais próximas com suas distâncias, em verde se "
    "a "
    "classe está certa, senão em vermelho. As menores distâncias primeiro.",
    "report.no_wrong": "Não há respostas erradas.",
    "report.right": "Respostas certas",
    "report.right_note": "As maiores distâncias primeiro: certas, embora a imagem mais próxima esteja longe.",
    "report.no_right": "Não há respostas certas.",
    "report.query": "consulta",
    "report.skipped": ("{n} arquivo deixado de fora", "{n} arquivos deixados de fora"),
    "report.card": "Ficha do modelo",
    "report.trained_on": "{n} classes usadas no treino",
    "report.probability": "Calibração das probabilidades: {note}.",
    "report.no_probability": "Calibração das probabilidades: não medida: {note}.",
    "report.calibrated": "Calibrada com {n} coisas cadastradas. A taxa vale se os desconhecidos se parecem com as "
    "coisas "
    "cadastradas tanto quanto estas entre si.",
    "report.uncalibrated": "Sem calibração, e por isso sem taxas obtidas, BAKS e BAUS: uma taxa de {rate} exige "
    "{needed} "
    "coisas, e há {n}.",
    "baseline.model": "modelo",
    "baseline.raw_pixels": "pixels crus",
    "baseline.untrained": "rede sem treino",
    # Tables
    "insufficient": "dados insuficientes",
    "hindsight": "a posteriori",
    "calibrated": "calibrada",
    "tile.r_at_1": "a imagem mais próxima é da classe certa",
    "tile.map_at_r": "as imagens da classe vêm primeiro",
    "tile.fnir": "FNIR com FPIR {rate}",
    "tile.fnir_note": "coisas cadastradas perdidas; limiar escolhido a posteriori",
    "tile.fpir": "FPIR obtida",
    "tile.fpir_note": "desconhecidos que recebem nome; calibrada para {rate}",
    "tile.fnir_achieved": "FNIR obtida",
    "tile.fnir_achieved_note": "coisas cadastradas perdidas; calibrada",
    "group.retrieval": "Busca e identificação em conjunto fechado",
    "group.hindsight": "Identificação em conjunto aberto, em todos os limiares",
    "group.calibrated": "Identificação em conjunto aberto, calibrada para FPIR {rate}",
    "group.probability": "Calibração das probabilidades",
    "group.verification": "Verificação",
    "row.auroc": "consultas conhecidas contra desconhecidas",
    "row.oscr": "Área sob a OSCR",
    "row.oscr_note": "bem identificadas",
    "row.baks": "conhecidas com o nome certo, cada coisa conta uma vez",
    "row.baus": "desconhecidas recusadas, cada coisa conta uma vez",
    "row.ece": "Erro de calibração esperado",
    "row.tar": "TAR com FAR {rate}",
    "row.eer": "Taxa de erro igual (EER)",
    "row.auc": "Área sob a ROC",
    "row.folds": "Acurácia em dez partes",
    "row.folds_note": "como no LFW",
    # Plots
    "plot.same": "mesma classe",
    "plot.different": "classes diferentes",
    "plot.distance": "distância",
    "plot.pairs": "fração dos pares",
    "plot.training": "tempo de treino",
    "plot.embedding": "tempo por imagem",
    "plot.far": "taxa de falsa aceitação (log)",
    "plot.tar": "taxa de aceitação correta",
    "plot.fpir": "taxa de identificação falso-positiva (FPIR)",
    "plot.fnir": "taxa de identificação falso-negativa (FNIR)",
    "plot.rank": "posição (log)",
    "plot.identification": "taxa de identificação",
    "plot.accepted": "consultas desconhecidas aceitas (log)",
    "plot.identified": "consultas conhecidas identificadas",
    "plot.predicted": "probabilidade prevista",
    "plot.correct": "fração certa",
    "plot.hindsight": "com FPIR {rate}, a posteriori",
    "plot.target": "pedida: FPIR {rate}",
    "plot.enrolled": "coisas cadastradas (log)",
    # Notes of an evaluation
    "note.leave_one_out": "R@k e CMC: cada imagem é buscada entre todas as outras. R@k conta imagens; CMC conta "
    "coisas, "
    "cada uma pela imagem mais próxima.",
    "note.probes": "R@k e CMC: cada consulta é buscada entre as imagens cadastradas. R@k conta imagens; CMC conta "
    "coisas, "
    "cada uma pela imagem mais próxima.",
    "note.map_leave_one_out": "MAP@R e R-precision: cada imagem é buscada entre todas as outras.",
    "note.map_probes": "MAP@R e R-precision: cada consulta é buscada entre as imagens cadastradas.",
    "note.rerank": "R@k, MAP@R e R-precision do modelo: reordenados por {rerank}.",
    "note.open_set": "Conjunto aberto: {percent}% das classes são cadastradas, por sorteio; as consultas das outras "
    "são "
    "desconhecidas.",
    "note.intervals": "Intervalos: 95%, por bootstrap com {n} reamostras das coisas; as galerias são fixas.",
    "note.no_extra": 'A rede sem treino não foi medida: isso exige pip install "semelha[train]".',
    "note.no_network": "A rede sem treino não foi medida: {error}",
    "note.overlap": "{n} das {of} classes têm nomes com que o modelo foi treinado: para medi-lo em classes novas, use "
    "outras imagens.",
    "probability.few": "{n} coisas cadastradas têm três imagens ou mais, e são precisas {needed}",
    "probability.few_enrolled": "{n} coisas cadastradas têm duas imagens cadastradas ou mais, e são precisas {needed}",
    "probability.infinite": "nenhuma imagem cadastrada está a distância finita de outra coisa",
    "probability.no_mated": "não há consultas conhecidas que possam corresponder a uma imagem cadastrada",
    "probability.no_non_mated": "não há consultas desconhecidas que possam corresponder a uma imagem cadastrada",
    "probability.learned": "aprendida com {n} coisas de duas imagens cadastradas cada, numa galeria à parte "
    "({method}); "
    "{mated} consultas conhecidas e {non_mated} desconhecidas, com metade do peso cada",
    "probability.learned_enrolled": "aprendida com {n} coisas de duas imagens cadastradas ou mais ({method}); {mated} "
    "consultas conhecidas e {non_mated} desconhecidas, com metade do peso cada",
}
