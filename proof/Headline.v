(* The headline statements. Read Definitions.v first: it says what every word below means; the
   proofs are one line each and point at the file that does the work. README.md names, for each
   theorem, the equation of docs/maths.md and the C function. *)
Require Import Reals Lra List.
From Coquelicot Require Import Coquelicot.
From bnorm Require Import Definitions Frechet Column Backward Layernorm WeightSpace Panel
  Network QuestionNetwork Question Counterexample Stepwise Algorithm AlgorithmReal.
Open Scope R_scope.

(* ======================================================= (a) backward: B1, B2, B3
   s: N rows, weights omega, divisor M <> 0, n = sum omega <> 0, eps. q: the numbers Z, gamma and
   beta. `loss` is any function of the normalised matrix with gradient W (W j is its column j).
   Then dz, dgamma and dbeta are the gradients in Z, gamma and beta. *)
Theorem backward_is_derivative : forall s p loss W q,
  legal s -> (forall j, (j < p)%nat -> 0 < v s (Zcol q j) + eps s) ->
  frechet (cells (N s) p) loss (B_of_Z s q) (fun h => ∑ j < p, ∑ i < (N s), W j i * h (i, j)) ->
  frechet (layer_coords (N s) p) (fun q => loss (B_of_Z s q)) q (fun h => ∑ j < p,
    ((∑ i < (N s), dz s (q (cgamma j)) (Zcol q j) (W j) i * h (cZ i j))
     + dgamma s (Zcol q j) (W j) * h (cgamma j)
     + dbeta s (W j) * h (cbeta j))).
Proof. exact backward_frechet. Qed.

(* The same as partial derivatives: (B1), (B2), (B3). *)
Theorem backward_partials : forall s p loss W q,
  legal s -> (forall j, (j < p)%nat -> 0 < v s (Zcol q j) + eps s) ->
  frechet (cells (N s) p) loss (B_of_Z s q) (fun h => ∑ j < p, ∑ i < (N s), W j i * h (i, j)) ->
  forall j, (j < p)%nat ->
  is_derive (fun t : R => loss (B_of_Z s (set q (cbeta j) t))) (q (cbeta j)) (dbeta s (W j)) /\
  is_derive (fun t : R => loss (B_of_Z s (set q (cgamma j) t))) (q (cgamma j))
    (dgamma s (Zcol q j) (W j)) /\
  forall i, (i < N s)%nat ->
  is_derive (fun t : R => loss (B_of_Z s (set q (cZ i j) t))) (q (cZ i j))
    (dz s (q (cgamma j)) (Zcol q j) (W j) i).
Proof.
  intros s p loss W q Hs Hq HL j Hj. split; [|split].
  - exact (partial_beta s p loss W q Hs Hq HL j Hj).
  - exact (partial_gamma s p loss W q Hs Hq HL j Hj).
  - intros i Hi. exact (partial_z s p loss W q Hs Hq HL i j Hi Hj).
Qed.

(* A Fréchet derivative is the derivative along every path that is differentiable in the listed
   coordinates: all theorems here hold "along any differentiable path". *)
Theorem derivative_along_path : forall (I : Type) (l : list I) F A (path : R -> I -> R) t dpath,
  frechet l F (path t) A -> (forall i, In i l -> is_derive (fun r => path r i) t (dpath i)) ->
  is_derive (fun r => F (path r)) t (A dpath).
Proof. intros. now apply (frechet_path (l := l)). Qed.

(* At eps > 0, with weights that are not negative, every column has a scale. *)
Theorem eps_gives_scale : forall s z,
  (forall i, 0 <= omega s i) -> 0 < M s -> 0 < eps s -> 0 < v s z + eps s.
Proof. intros s z Ho HM He. pose proof (v_nonneg s z Ho HM). lra. Qed.

(* What backward leaves invariant: 1'dz = 0, and z_c'dz = gamma dgamma eps / sigma^2. *)
Theorem dz_invariants : forall s gamma z w, legal s -> 0 < v s z + eps s ->
  ∑ i < (N s), dz s gamma z w i = 0 /\
  ∑ i < (N s), (z i - mu s z) * dz s gamma z w i = gamma * dgamma s z w * eps s / sigma s z ^ 2.
Proof. intros. split; [now apply sum_dz|now apply radial_dz]. Qed.

(* Layer normalisation: (B3) along a row, with gamma 1, for u = gamma w. *)
Theorem layernorm_is_derivative : forall p eps loss w q, (0 < p)%nat ->
  let s := unweighted p 0 eps in let x := Zcol q 0 in 0 < v s x + eps ->
  frechet (seq 0 p) loss (layernorm s q) (fun h => ∑ j < p, w j * h j) ->
  frechet (row_coords p) (fun q => loss (layernorm s q)) q (fun h => ∑ j < p,
    (dz s 1 x (fun j => q (cgamma j) * w j) j * h (cZ j 0)
     + w j * zhat s x j * h (cgamma j) + w j * h (cbeta j))).
Proof. exact layernorm_frechet. Qed.

(* ================================================== (b) weight space: W1, W2, W3, W4 *)
Theorem W1_moments : forall s p1 X g, legal s ->
  mu s (lin p1 X g) = mu_w s p1 X g /\ v s (lin p1 X g) = v_w s p1 X g.
Proof. intros. split; [now apply mu_lin|now apply v_lin]. Qed.

Theorem W2_dgamma : forall s p1 X g w, legal s -> 0 < v s (lin p1 X g) + eps s ->
  dgamma s (lin p1 X g) w = dgamma_w s p1 X g w.
Proof. intros. now apply dgamma_lin. Qed.

(* X'dz, without a pass over Z *)
Theorem W3_is_X_dz : forall s p1 X gamma g w k, legal s -> 0 < v s (lin p1 X g) + eps s ->
  ∑ i < (N s), X i k * dz s gamma (lin p1 X g) w i = dg s p1 X gamma g w k.
Proof. intros. now apply dg_is_X_dz. Qed.

(* Nor does it depend on where X is measured from: the library uses this for large means. *)
Theorem W3_shifted : forall s p1 X gamma g w k c, legal s -> 0 < v s (lin p1 X g) + eps s ->
  ∑ i < (N s), (X i k - c) * dz s gamma (lin p1 X g) w i = dg s p1 X gamma g w k.
Proof. intros. now apply dg_is_shifted. Qed.

Theorem W3_is_derivative : forall s p1 p2 X loss W q,
  legal s -> (forall j, (j < p2)%nat -> 0 < v s (lin p1 X (g1 q j)) + eps s) ->
  frechet (cells (N s) p2) loss (B_of_G1 s p1 X q)
    (fun h => ∑ j < p2, ∑ i < (N s), W j i * h (i, j)) ->
  frechet (net_coords 0 p1 p2) (fun q => loss (B_of_G1 s p1 X q)) q (fun h => ∑ j < p2,
    ((∑ k < p1, dg s p1 X (q (cgamma j)) (g1 q j) (W j) k * h (cG1 k j))
     + dgamma_w s p1 X (g1 q j) (W j) * h (cgamma j)
     + dbeta s (W j) * h (cbeta j))).
Proof. exact weight_space_frechet. Qed.

Theorem W4_folded : forall s p1 X gamma beta g i, legal s ->
  bn s gamma beta (lin p1 X g) i = bn_w s p1 X gamma beta g i.
Proof. intros. now apply bn_is_folded. Qed.

(* The fold with given statistics, of a dense layer with a bias: inference costs nothing. *)
Theorem fold_is_inference : forall p1 X g bias gamma beta mean sd i,
  gamma * ((lin p1 X g i + bias - mean) / sd) + beta
  = lin p1 X (fun k => g k * (gamma / sd)) i + (beta + (bias - mean) * (gamma / sd)).
Proof. exact fold_given. Qed.

(* Along its own column of G1 the gradient is gamma dgamma eps / sigma^2: 0 at eps = 0. *)
Theorem radial_identity : forall s p1 X gamma g w, legal s -> 0 < v s (lin p1 X g) + eps s ->
  ∑ k < p1, g k * dg s p1 X gamma g w k
  = gamma * dgamma_w s p1 X g w * eps s / sigma_w s p1 X g ^ 2.
Proof. intros. now apply radial. Qed.

(* ================================================== (c) the question's whole network
   R = (1/N) sum_i (y_i - sum_j a(b(X G1)_ij) G2_j)^2, any divisor N - ddof <> 0, any activation
   that has derivative a' at the values it meets. The gradients are (W3), (B2), (B1) and V'D with
   W = (D G2') * a'(B), D = -2 (y - yhat)/N. *)
Section Question.
Variables (N : nat) (ddof eps : R) (p1 p2 : nat) (X : nat -> nat -> R) (y : nat -> R).
Variables (a a' : R -> R) (q : point).
Let m := question N ddof eps p1 p2 X y a a'.

Theorem question_gradients :
  (0 < N)%nat -> INR N - ddof <> 0 ->
  (forall j, (j < p2)%nat -> 0 < v (of m) (zcol m q j) + eps) ->
  (forall b, reached m (B m) q b -> is_derive a b (a' b)) ->
  forall j, (j < p2)%nat ->
  (forall k, (k < p1)%nat -> is_derive (fun t : R => question_R m (set q (cG1 k j) t))
     (q (cG1 k j)) (dg (of m) p1 X (q (cgamma j)) (g1 q j) (question_W m q j) k)) /\
  is_derive (fun t : R => question_R m (set q (cgamma j) t)) (q (cgamma j))
     (dgamma (of m) (zcol m q j) (question_W m q j)) /\
  is_derive (fun t : R => question_R m (set q (cbeta j) t)) (q (cbeta j))
     (dbeta (of m) (question_W m q j)) /\
  is_derive (fun t : R => question_R m (set q (cG2 j) t)) (q (cG2 j))
     (∑ i < N, a (B m q i j) * (-2 * (y i - question_yhat m q i) / INR N)).
Proof. intros HN HM Hq Ha j Hj. now apply question_partials. Qed.

Theorem question_derivative :
  (0 < N)%nat -> INR N - ddof <> 0 ->
  (forall j, (j < p2)%nat -> 0 < v (of m) (zcol m q j) + eps) ->
  (forall b, reached m (B m) q b -> is_derive a b (a' b)) ->
  frechet (net_coords 0 p1 p2) (question_R m) q (fun h => ∑ j < p2,
    ((∑ k < p1, dg (of m) p1 X (q (cgamma j)) (g1 q j) (question_W m q j) k * h (cG1 k j))
     + dgamma (of m) (zcol m q j) (question_W m q j) * h (cgamma j)
     + dbeta (of m) (question_W m q j) * h (cbeta j)
     + (∑ i < N, a (B m q i j) * (-2 * (y i - question_yhat m q i) / INR N)) * h (cG2 j))).
Proof. intros HN HM Hq Ha. now apply question_frechet. Qed.
End Question.

(* The network without normalisation: dR/dG2 = V'D, dR/dG1 = X'W, for any model. (The question
   prints these two under each other's name, without the 1/N.) *)
Theorem plain_derivative : forall m q, projection m ->
  (forall b, reached m (B_plain m) q b -> is_derive (a m) b (a' m b)) ->
  frechet (net_coords (p0 m) (p1 m) (p2 m)) (risk m (B_plain m)) q (fun h =>
    (∑ j < (p2 m),
      ((∑ k < (p1 m), (∑ i < (N (of m)), X m i k * W m (B_plain m) q j i) * h (cG1 k j))
       + dG2 m (B_plain m) q j * h (cG2 j)))
    + ∑ l < (p0 m), dtheta m (B_plain m) q l * h (ctheta l)).
Proof. exact plain_frechet. Qed.

(* ReLU has a derivative wherever its argument is not 0, so the theorems above hold for it when no
   normalised value is 0. *)
Theorem relu_is_differentiable : forall b, b <> 0 -> is_derive relu b (relu' b).
Proof. exact relu_derive. Qed.

(* ================================================== (d) the question's own formulas
   m is any model (weights, fixed effects and linear terms included). *)
Section Judgement.
Variables (m : model) (q : point).
Hypothesis Hlegal : legal (of m).
Hypothesis HQ : projection m.
Hypothesis Hscale : forall j, (j < p2 m)%nat -> 0 < v (of m) (zcol m q j) + eps (of m).
Hypothesis Ha : forall b, reached m (B m) q b -> is_derive (a m) b (a' m b).

(* "Update 4": right exactly when gamma_j = 1 or the gradient is 0. *)
Theorem question_gamma_right_iff : forall j, (j < p2 m)%nat ->
  is_derive (fun t : R => risk m (B m) (set q (cgamma j) t)) (q (cgamma j)) (question_dgamma m q j)
  <-> q (cgamma j) = 1 \/ dR_dgamma m q j = 0.
Proof. intros. now apply question_gamma_iff. Qed.

(* "Update 3": right exactly when gamma_j (xbar dbeta_j + S g_j dgamma_j/sigma_j) = 0. *)
Theorem question_G1_right_iff : forall k j, (k < p1 m)%nat -> (j < p2 m)%nat ->
  is_derive (fun t : R => risk m (B m) (set q (cG1 k j) t)) (q (cG1 k j)) (question_dG1 m q k j)
  <-> q (cgamma j) * (xbar (of m) (X m) k * dR_dbeta m q j
        + Sg (of m) (p1 m) (X m) (g1 q j) k * dR_dgamma m q j / sigma (of m) (zcol m q j)) = 0.
Proof. intros. now apply question_G1_iff. Qed.
End Judgement.

(* The counterexample on paper, with N = 3: true gradients 2 and 0, the question's 4 and 4; wrong
   also when the missing 1/N (c = 3) or any other factor is put in. *)
Theorem counterexample :
  dR_dgamma paper paper_q 0 = 2 /\ question_dgamma paper paper_q 0 = 4 /\
  dR_dG1 paper paper_q 0 0 = 0 /\ question_dG1 paper paper_q 0 0 = 4 /\
  (forall c, c = 1 \/ c = 3 ->
     ~ is_derive (fun t : R => risk paper (B paper) (set paper_q (cgamma 0) t)) 2
         (c * question_dgamma paper paper_q 0)) /\
  (forall c, c <> 0 ->
     ~ is_derive (fun t : R => risk paper (B paper) (set paper_q (cG1 0 0) t)) 1
         (c * question_dG1 paper paper_q 0 0)).
Proof.
  exact (conj paper_dgamma (conj paper_question_dgamma (conj paper_dG1 (conj paper_question_dG1
    (conj paper_gamma_wrong paper_G1_wrong))))).
Qed.

(* The question's derivative of ReLU, `ap`, is 1 everywhere. *)
Theorem ap_is_constant : forall b, question_ap b = 1.
Proof. exact question_ap_is_1. Qed.

(* ================================================== (e) the second answer's backward pass *)
Theorem stepwise_is_closed_form : forall s gamma z w k,
  (forall i, omega s i = 1) -> legal s -> 0 < v s z + eps s ->
  stepwise_dz s gamma z w k = dz s gamma z w k.
Proof. exact stepwise_is_dz. Qed.

(* ================================================== (f) frozen statistics
   The question's Gamma1 is the gradient of the network that keeps the mean and scale it has. *)
Theorem question_G1_is_frozen : forall m q k j, projection m ->
  (forall b, reached m (B m) q b -> is_derive (a m) b (a' m b)) ->
  (k < p1 m)%nat -> (j < p2 m)%nat ->
  is_derive
    (fun t : R => risk m (B_frozen m (fun j => mu (of m) (zcol m q j))
                                     (fun j => sigma (of m) (zcol m q j))) (set q (cG1 k j) t))
    (q (cG1 k j)) (question_dG1 m q k j).
Proof. exact question_G1_frozen. Qed.

(* ================================================== (g) the panel model
   R = sum omega E^2/n, E = Q (y - V G2 - P theta), for Q self-adjoint in omega and idempotent.
   dR/dV = -2 omega E G2'/n: no further projection. *)
Theorem panel_dV : forall m G2 theta V, projection m ->
  frechet (cells (N (of m)) (p2 m))
    (fun V => (∑ i < (N (of m)), omega (of m) i * E_of_V m G2 theta V i ^ 2) / n (of m)) V
    (fun h => ∑ i < (N (of m)), ∑ j < (p2 m),
      (-2 * omega (of m) i * E_of_V m G2 theta V i / n (of m) * G2 j) * h (i, j)).
Proof. exact frechet_V. Qed.

(* The whole model: gradients in G1, gamma, beta, G2 and theta, with weights and fixed effects. *)
Theorem panel_derivative : forall m q, legal (of m) -> projection m ->
  (forall j, (j < p2 m)%nat -> 0 < v (of m) (zcol m q j) + eps (of m)) ->
  (forall b, reached m (B m) q b -> is_derive (a m) b (a' m b)) ->
  frechet (net_coords (p0 m) (p1 m) (p2 m)) (risk m (B m)) q (fun h =>
    (∑ j < (p2 m), ((∑ k < (p1 m), dR_dG1 m q k j * h (cG1 k j))
       + dR_dgamma m q j * h (cgamma j) + dR_dbeta m q j * h (cbeta j)
       + dG2 m (B m) q j * h (cG2 j)))
    + ∑ l < (p0 m), dtheta m (B m) q l * h (ctheta l)).
Proof. exact network_frechet. Qed.

(* Subtracting weighted unit means is such a Q. *)
Theorem unit_means_project : forall s unit,
  (forall i, (i < N s)%nat -> unit_total s unit i <> 0) ->
  forall m, of m = s -> Q m = within s unit -> projection m.
Proof. exact within_projects. Qed.

(* ================================================== the library's own text
   Algorithm.v writes down what the C code computes, operation by operation. Over the reals it is
   the closed form; on binary64 tests/proof.sh compares it with the library bit for bit. *)
Theorem library_forward : forall (c : column reals) gamma beta x, let s := setting_of c in
  legal s -> (forall i, 0 <= omega s i) -> 0 < M s -> 0 < v s x + eps s ->
  let '(mean, rstd, y) := forward c gamma beta x in
  mean = mu s x /\ rstd = / sigma s x /\ forall i, y i = bn s gamma beta x i.
Proof. intros c gamma beta x s Hs Hw HM. exact (forward_real c Hs Hw HM gamma beta x). Qed.

Theorem library_backward : forall (c : column reals) gamma x w, let s := setting_of c in
  legal s -> 0 < v s x + eps s ->
  let '(db, dg, dx) := backward c gamma (mu s x) (/ sigma s x) x w in
  db = dbeta s w /\ dg = dgamma s x w /\ forall i, dx i = dz s gamma x w i.
Proof. intros c gamma x w s Hs. exact (backward_real c Hs gamma x w). Qed.

(* v + eps = 0: output exactly beta, gradients exactly 0. *)
Theorem library_no_scale : forall (c : column reals) gamma beta x w, let s := setting_of c in
  legal s -> (forall i, 0 <= omega s i) -> 0 < M s -> v s x + eps s = 0 ->
  let '(mean, rstd, y) := forward c gamma beta x in
  let '(db, dg, dx) := backward c gamma mean rstd x w in
  (forall i, y i = beta) /\ db = dbeta s w /\ dg = 0 /\ forall i, dx i = 0.
Proof. intros c gamma beta x w s Hs Hw HM. exact (no_scale c Hs Hw HM gamma beta x w). Qed.

(* n, mean and M2 of two batches, merged, are those of all rows. *)
Theorem library_merge : forall Na Nb omega z,
  let later f i := f (Na + i)%nat : R in
  ∑ i < Na, omega i <> 0 -> ∑ i < Nb, later omega i <> 0 -> ∑ i < (Na + Nb), omega i <> 0 ->
  merge (T := reals) (triple Na omega z) (triple Nb (later omega) (later z))
  = triple (Na + Nb) omega z.
Proof.
  intros Na Nb omega z later Ha Hb Hab. apply merge_real; [exact Ha|exact Hb|].
  rewrite rsum_split in Hab. exact Hab.
Qed.
